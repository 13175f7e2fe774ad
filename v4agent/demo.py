"""`v4agent demo`: a real bug of a real library, fetched, made a repository, fixed and verified.

The scenarios stand in `demo.toml`: each names a pinned source distribution with its hash, and
either the next release, whose tests show the bug, or a fault that is put in. Every scenario says
which of the two it is. The only network is the package index.
"""

from __future__ import annotations

import shlex
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

import platformdirs
from pydantic import ValidationError

from v4agent import agent
from v4agent.errors import UsageError
from v4agent.repo import create
from v4agent.sdist import extract, fetch
from v4agent.settings import APP, Settings
from v4agent.types import Run, Task, Value
from v4agent.workspace import Progress


class Sdist(Value):
    """A pinned source distribution."""

    version: str
    file: str
    sha256: str


class Fault(Value):
    """A text of one file that is replaced to put a fault in."""

    path: str
    old: str
    new: str


class Scenario(Value):
    """One demo."""

    name: str
    kind: Literal["real bug", "injected fault"]
    package: str
    license: str
    source: Sdist
    """The release with the bug (or the one that the fault is put into)."""
    tests_from: Sdist | None = None
    """The next release: its tests show the bug."""
    tests: tuple[str, ...] = ()
    """Test files that are taken from there."""
    fault: Fault | None = None
    import_root: str = "."
    """Folder that has to be on the import path."""
    run: str
    """Arguments of pytest."""
    issue: str
    """What a user would have reported."""


def scenarios() -> dict[str, Scenario]:
    """All demos by name; the first is the default."""
    text = resources.files("v4agent").joinpath("demo.toml").read_text(encoding="utf-8")
    try:
        found = [Scenario.model_validate(row) for row in tomllib.loads(text)["demo"]]
    except ValidationError as error:
        raise UsageError(f"demo.toml: {error}") from error
    return {scenario.name: scenario for scenario in found}


def pick(name: str | None) -> Scenario:
    """A demo by name; the first without one.

    Raises:
        UsageError: there is no such demo.
    """
    known = scenarios()
    if name is None:
        return next(iter(known.values()))
    if name not in known:
        raise UsageError(f"no demo {name!r}", hint=f"known: {', '.join(known)}")
    return known[name]


@dataclass(frozen=True)
class Demo:
    """A prepared demo: a git repository with the bug in it."""

    scenario: Scenario
    root: Path
    test: str


@contextmanager
def prepared(scenario: Scenario, keep: Path | None, progress: Progress) -> Iterator[Demo]:
    """Fetch the library and make the repository; it is removed at the end unless `keep` names it.

    Raises:
        UsageError: `keep` is not empty, the index can't be reached, or a hash is wrong.
    """
    if keep is not None and keep.exists() and any(keep.iterdir()):
        raise UsageError(f"{keep} is not empty", hint="name a new or empty folder with --keep")
    folder = Path(tempfile.mkdtemp(prefix="v4agent-demo-"))
    root = keep or folder / scenario.package
    try:
        _lay_out(scenario, root, progress)
        yield Demo(scenario=scenario, root=root, test=_test_command(scenario))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run(demo: Demo, settings: Settings, progress: Progress) -> Run:
    """`fix` on the prepared repository."""
    task = Task()
    if settings.model != agent.REPAIR:
        task = Task(text=demo.scenario.issue, source="demo")
    return agent.fix(task, demo.root, settings, progress=progress)


def _lay_out(scenario: Scenario, root: Path, progress: Progress) -> None:
    progress("fetch", f"{scenario.package} {scenario.source.version} from the package index")
    extract(_fetched(scenario, scenario.source), root)
    if scenario.tests_from is not None:
        progress("fetch", f"the tests of {scenario.package} {scenario.tests_from.version}")
        with tempfile.TemporaryDirectory() as other:
            newer = Path(other) / "newer"
            extract(_fetched(scenario, scenario.tests_from), newer)
            for name in scenario.tests:
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(newer / name, root / name)
    if scenario.fault is not None:
        _inject(root, scenario.fault)
    create(root, f"{scenario.package} {scenario.source.version} with a failing test")


def _fetched(scenario: Scenario, sdist: Sdist) -> Path:
    cache = platformdirs.user_cache_path(APP) / "sdists"
    return fetch(scenario.package, sdist.version, sdist.file, sdist.sha256, cache)


def _inject(root: Path, fault: Fault) -> None:
    path = root / fault.path
    text = path.read_text(encoding="utf-8")
    if text.count(fault.old) != 1:
        raise UsageError(f"the fault does not fit {fault.path}: not the pinned release?")
    path.write_text(text.replace(fault.old, fault.new), encoding="utf-8")


def _test_command(scenario: Scenario) -> str:
    python = shlex.quote(sys.executable)
    path = "" if scenario.import_root == "." else f"PYTHONPATH={scenario.import_root} "
    return f"{path}{python} -m pytest -q {scenario.run}"
