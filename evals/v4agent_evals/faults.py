"""Seeded faults in pinned libraries, repaired without a model.

Each fault breaks a test of the library; the search sees about half of the tests that it breaks
(one at least) and all that pass. The result is right when every test passes, the unseen ones
included; `identical` says that the original code came back.
"""

from __future__ import annotations

import ast
import os
import random
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import platformdirs

from v4agent.agent import fix
from v4agent.errors import V4AgentError
from v4agent.repo import create
from v4agent.sdist import extract, fetch
from v4agent.settings import APP, Settings
from v4agent.types import Run, Task, Value
from v4agent_evals.inject import Fault, faults

SUITE_SECONDS = 120
MAX_BROKEN_SHARE = 0.5
"""A fault that breaks more of the tests than this is no slip that gets past anybody."""


class Library(Value):
    """One pinned library."""

    name: str
    version: str
    file: str
    sha256: str
    sources: tuple[str, ...]
    tests: str
    import_root: str = "."


class Result(Value):
    """One fault."""

    library: str
    fault: str
    path: str
    line: int
    broken: int
    """Tests that the fault breaks."""
    seen: int
    """Of those, the ones that the search saw."""
    plausible: bool
    right: bool
    identical: bool
    operator: str = ""
    seconds: float
    tried: int = 0
    note: str = ""


class _Case(NamedTuple):
    library: Library
    path: str
    fault: Fault
    broken: tuple[str, ...]
    passing: frozenset[str]
    """Tests that pass without the fault."""


def libraries() -> tuple[Library, ...]:
    """The pinned libraries of `faults.toml`."""
    text = resources.files("v4agent_evals").joinpath("faults.toml").read_text(encoding="utf-8")
    return tuple(Library.model_validate(row) for row in tomllib.loads(text)["library"])


def run(
    settings: Settings,
    *,
    seed: int,
    count: int,
    only: tuple[str, ...] = (),
    progress: Callable[[Result], None] = lambda result: None,
) -> Iterator[Result]:
    """Inject and repair `count` faults, the libraries taking turns."""
    chosen = [x for x in libraries() if not only or x.name in only]
    with tempfile.TemporaryDirectory(prefix="v4agent-faults-") as folder:
        cases = [_cases(x, Path(folder) / x.name, seed) for x in chosen]
        done = 0
        while cases and done < count:
            for case in list(cases):
                found = next(case, None)
                if found is None:
                    cases.remove(case)
                elif done < count:
                    done += 1
                    result = _repair(found, Path(folder) / f"case-{done}", settings, seed)
                    progress(result)
                    yield result


def _fetched(library: Library, target: Path) -> None:
    cache = platformdirs.user_cache_path(APP) / "sdists"
    extract(fetch(library.name, library.version, library.file, library.sha256, cache), target)


def _cases(library: Library, folder: Path, seed: int) -> Iterator[_Case]:
    """Faults that break some tests and leave the rest running."""
    _fetched(library, folder)
    before = _outcomes(library, folder)
    passing = {test for test, ok in before.items() if ok}
    for path in library.sources:
        original = (folder / path).read_text(encoding="utf-8")
        for fault in faults(original, f"{seed}:{library.name}:{path}"):
            (folder / path).write_text(fault.text, encoding="utf-8")
            after = _outcomes(library, folder)
            (folder / path).write_text(original, encoding="utf-8")
            broken = tuple(sorted(t for t in passing if after.get(t) is False))
            if set(after) >= passing and 0 < len(broken) < MAX_BROKEN_SHARE * len(passing):
                yield _Case(library, path, fault, broken, frozenset(passing))


def _outcomes(library: Library, folder: Path) -> dict[str, bool]:
    """Test id -> passed, by pytest's own report of names; empty when the run did not finish."""
    command = [
        sys.executable, "-m", "pytest", "-q", "-rA", "--tb=no", "-p", "no:randomly", "-p",
        "no:cacheprovider", "--timeout=5", "-n", "0", *library.tests.split(),
    ]  # fmt: skip
    env = {**os.environ, "PYTHONPATH": library.import_root, "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=env,
                              timeout=SUITE_SECONDS, check=False)  # fmt: skip
    except subprocess.TimeoutExpired:
        return {}
    found = {}
    for line in done.stdout.splitlines():
        word, _, rest = line.partition(" ")
        if word in ("PASSED", "FAILED", "ERROR"):
            found[rest.partition(" - ")[0]] = word == "PASSED"
    return found


def _repair(case: _Case, folder: Path, settings: Settings, seed: int) -> Result:
    started = time.monotonic()
    library = case.library
    _fetched(library, folder)
    original = (folder / case.path).read_text(encoding="utf-8")
    (folder / case.path).write_text(case.fault.text, encoding="utf-8")
    chooser = random.Random(f"{seed}:{case.path}:{case.fault.line}")
    seen = sorted(chooser.sample(case.broken, max(1, len(case.broken) // 2)))
    create(folder, "a library with a fault")
    receipt: Run | None = None
    note = ""
    try:
        receipt = fix(
            Task(), folder, settings.model_copy(update={"test": _command(case, seen)}),
            finish="apply", targets=seen,
        )  # fmt: skip
    except V4AgentError as error:
        note = error.message.splitlines()[0][:100]
    seconds = time.monotonic() - started
    plausible = receipt is not None and receipt.status == "resolved"
    fixed = (folder / case.path).read_text(encoding="utf-8")
    report = receipt.repair if receipt else None
    return Result(
        library=library.name,
        fault=case.fault.kind,
        path=case.path,
        line=case.fault.line,
        broken=len(case.broken),
        seen=len(seen),
        plausible=plausible,
        right=plausible and _all_pass(case, folder),
        identical=plausible and ast.dump(ast.parse(original)) == ast.dump(ast.parse(fixed)),
        operator=report.plausible[0].operator if report and report.plausible else "",
        seconds=round(seconds, 1),
        tried=report.tried if report else 0,
        note=note or (report.note[:100] if report else ""),
    )


def _command(case: _Case, seen: list[str]) -> str:
    """The library's tests without those that are held out."""
    hidden = [t for t in case.broken if t not in seen]
    root = case.library.import_root
    path = "" if root == "." else f'PYTHONPATH="{root}:$PYTHONPATH" '
    deselected = " ".join(f"--deselect '{t}'" for t in hidden)
    return (
        f"{path}{sys.executable} -m pytest -q -p no:randomly --timeout=5"
        f" {case.library.tests} {deselected}"
    )


def _all_pass(case: _Case, folder: Path) -> bool:
    after = _outcomes(case.library, folder)
    return all(after.get(test) for test in case.passing)
