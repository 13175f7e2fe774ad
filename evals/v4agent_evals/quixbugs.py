"""QuixBugs (Lin et al., 2017): 40 textbook programs, each with one wrong line.

The search sees a seeded part of each program's tests; the result is judged by all of them, so
also by those that it did not see. The checkout (github.com/jkoppel/QuixBugs, MIT) is the user's.
"""

from __future__ import annotations

import ast
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from v4agent.agent import fix
from v4agent.errors import V4AgentError
from v4agent.repo import create
from v4agent.settings import Settings
from v4agent.types import Run, Task, Value

SEEN_SHARE = 0.7
TEST_SECONDS = 2
JUDGE_SECONDS = 120
HELPERS = ("load_testdata.py", "node.py")


class Result(Value):
    """One program."""

    program: str
    plausible: bool
    right: bool
    """The repaired program passes all tests, the unseen ones included."""
    identical: bool
    """Its syntax tree is that of the correct program."""
    operator: str = ""
    seconds: float
    tried: int = 0
    note: str = ""


def programs(checkout: Path) -> list[str]:
    """Names of the programs that have a test."""
    tests = (checkout / "python_testcases").glob("test_*.py")
    names = (t.stem.removeprefix("test_") for t in tests)
    return sorted(n for n in names if (checkout / "python_programs" / f"{n}.py").is_file())


def run(
    checkout: Path,
    settings: Settings,
    *,
    seed: int = 0,
    only: tuple[str, ...] = (),
    progress: Callable[[Result], None] = lambda result: None,
) -> Iterator[Result]:
    """Repair each program and judge it."""
    for name in programs(checkout):
        if not only or name in only:
            result = _one(checkout, name, settings, seed)
            progress(result)
            yield result


def _one(checkout: Path, name: str, settings: Settings, seed: int) -> Result:
    for attempt in range(8):
        result = _attempt(checkout, name, settings, seed + 1000 * attempt)
        if not result.note.startswith("nothing to fix"):
            break  # else no failing test was among those seen: choose others
    return result


def _attempt(checkout: Path, name: str, settings: Settings, seed: int) -> Result:
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="v4agent-quixbugs-") as folder:
        root = Path(folder) / name
        lay_out(checkout, name, root, seed, SEEN_SHARE)
        create(root, f"{name} with its tests")
        note = ""
        receipt: Run | None = None
        try:
            receipt = fix(Task(), root, settings.model_copy(update={"test": _command(name)}),
                          finish="apply")  # fmt: skip
        except V4AgentError as error:
            note = error.message.splitlines()[0][:100]
        seconds = time.monotonic() - started
        plausible = receipt is not None and receipt.status == "resolved"
        fixed = (root / "python_programs" / f"{name}.py").read_text(encoding="utf-8")
        right = plausible and _passes_all(checkout, name, fixed, Path(folder) / "judge")
    report = receipt.repair if receipt else None
    return Result(
        program=name,
        plausible=plausible,
        right=right,
        identical=plausible and _same_tree(checkout, name, fixed),
        operator=report.plausible[0].operator if report and report.plausible else "",
        seconds=round(seconds, 1),
        tried=report.tried if report else 0,
        note=note or (report.note if report else ""),
    )


def lay_out(checkout: Path, name: str, root: Path, seed: int, share: float) -> None:
    """A small repository: the program with its fault, and a seeded share of its tests."""
    (root / "python_programs").mkdir(parents=True)
    (root / "python_testcases").mkdir()
    for helper in HELPERS:
        for folder in ("python_testcases", "python_programs"):
            if (checkout / folder / helper).is_file():
                shutil.copyfile(checkout / folder / helper, root / folder / helper)
    shutil.copyfile(checkout / "conftest.py", root / "conftest.py")
    program = f"python_programs/{name}.py"
    shutil.copyfile(checkout / program, root / program)
    test = f"python_testcases/test_{name}.py"
    chooser = random.Random(f"{seed}:{name}")
    cases = checkout / "json_testcases" / f"{name}.json"
    text = (checkout / test).read_text(encoding="utf-8")
    if cases.is_file():
        (root / "json_testcases").mkdir()
        lines = cases.read_text(encoding="utf-8").splitlines()
        seen = _chosen([x for x in lines if x.strip()], chooser, share)
        (root / "json_testcases" / cases.name).write_text("\n".join(seen) + "\n", encoding="utf-8")
    else:
        text = _without_some(text, chooser, share)
    (root / test).write_text(text, encoding="utf-8")


def _chosen(items: list[str], chooser: random.Random, share: float) -> list[str]:
    count = max(1, round(len(items) * share))
    places = sorted(chooser.sample(range(len(items)), count))
    return [items[p] for p in places]


def _without_some(text: str, chooser: random.Random, share: float) -> str:
    """A test file without the functions that are held out."""
    tests = [
        n for n in ast.parse(text).body
        if isinstance(n, ast.FunctionDef) and n.name.startswith("test")
    ]  # fmt: skip
    seen = set(_chosen([t.name for t in tests], chooser, share))
    lines = text.splitlines()
    for test in reversed(tests):
        if test.name not in seen:
            first = min([test.lineno, *(d.lineno for d in test.decorator_list)])
            del lines[first - 1 : test.end_lineno]
    return "\n".join(lines) + "\n"


def _command(name: str) -> str:
    return (
        f"{sys.executable} -m pytest -q -p no:randomly --timeout={TEST_SECONDS}"
        f" python_testcases/test_{name}.py"
    )


def _passes_all(checkout: Path, name: str, fixed: str, folder: Path) -> bool:
    lay_out(checkout, name, folder, 0, 1.0)
    (folder / "python_programs" / f"{name}.py").write_text(fixed, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "--runslow", "-x",
               "--timeout=20", f"python_testcases/test_{name}.py"]  # fmt: skip
    if "--runslow" not in (checkout / "conftest.py").read_text(encoding="utf-8"):
        command.remove("--runslow")
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, timeout=JUDGE_SECONDS,
                              check=False)  # fmt: skip
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _same_tree(checkout: Path, name: str, fixed: str) -> bool:
    right = (checkout / "correct_python_programs" / f"{name}.py").read_text(encoding="utf-8")
    return _tree(right) == _tree(fixed)


def _tree(text: str) -> str:
    tree = ast.parse(text)
    tree.body = [n for n in tree.body if not _is_text(n)]
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(node, ast.FunctionDef) and body and _is_text(body[0]):
            node.body = body[1:]
    return ast.dump(tree)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
