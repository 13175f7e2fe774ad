"""The user's repository is data: nothing that it names runs, and nothing of it changes unasked."""

from __future__ import annotations

import shutil
from pathlib import Path

import hostile
import pytest

from v4agent.errors import RepositoryError, V4AgentError
from v4agent.files import Change
from v4agent.repo import Repository, create
from v4agent.repo.git import git

EDIT = (Change("pkg/b.py", b"three\n", b"four\n"), Change("new.py", None, b"new\n"))
REFUSED = {
    "core.worktree": "names another folder",
    "promisor remote": "objects lack HEAD's commit",
    "git file of another repository": "repository of another folder",
}


def _work(root: Path, state: Path) -> None:
    repository = Repository.open(root)
    repository.files()
    repository.environments()
    with repository.scratch(state) as scratch:
        (scratch.root / "a.py").write_text("changed in the copy\n")
        (scratch.root / "made.py").write_text("made\n")
        assert "made.py" in scratch.diff()
        scratch.reset()
        assert scratch.changes() == ()


@pytest.mark.parametrize("name", hostile.TRIGGERS)
def test_the_trap_is_live(name: str, tmp_path: Path) -> None:
    trap = hostile.plant(name, tmp_path)
    hostile.run_git(trap.root, *hostile.TRIGGERS[name], check=False)
    assert trap.sprung()


@pytest.mark.parametrize("name", hostile.TRAPS)
def test_reading_runs_nothing_and_leaves_every_byte(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = hostile.plant(name, tmp_path / "work")
    monkeypatch.chdir(trap.root)
    monkeypatch.setenv("PATH", ".:" + str(Path("/usr/bin")) + ":/bin")
    before = hostile.digest(tmp_path / "work")
    try:
        _work(trap.root, tmp_path / "state")
    except RepositoryError as error:
        if REFUSED.get(name, "not refused") not in error.message:
            raise
    assert trap.sprung() == ""
    assert hostile.digest(tmp_path / "work") == before


@pytest.mark.parametrize("name", hostile.TRAPS)
def test_apply_and_commit_run_nothing(name: str, tmp_path: Path) -> None:
    trap = hostile.plant(name, tmp_path / "work")
    try:
        repository = Repository.open(trap.root)
        repository.commit(EDIT, "a change")
        repository.apply([Change("new.py", b"new\n", b"newer\n")])
    except V4AgentError as error:
        # what an evil index has is not what HEAD has
        expected = {**REFUSED, "evil index": "staged"}
        if expected.get(name, "not refused") not in error.message:
            raise
    else:
        assert (trap.root / "new.py").read_bytes() == b"newer\n"
        shown = git("cat-file", "blob", "HEAD:pkg/b.py", git_dir=trap.root / ".git")
        assert shown == b"four\n"
    assert trap.sprung() == ""


def test_a_refused_commit_to_another_repository_leaves_both(tmp_path: Path) -> None:
    trap = hostile.plant("git file of another repository", tmp_path / "work")
    before = hostile.digest(tmp_path / "work")
    with pytest.raises(RepositoryError, match="another folder"):
        Repository.open(trap.root).commit([Change("n.py", None, b"")], "x")
    assert hostile.digest(tmp_path / "work") == before


def test_an_index_with_evil_paths_names_no_file_outside(tmp_path: Path) -> None:
    trap = hostile.plant("evil index", tmp_path)
    repository = Repository.open(trap.root)
    assert repository.files() == (".gitignore", "a.py", "pkg/b.py")
    assert "leaves the working tree" in repository.skipped["../outside"]
    with repository.scratch(tmp_path / "state") as scratch:
        copied = {p.name for p in scratch.root.parent.rglob("*")}
    assert not copied & {"outside", "passwd", "pre-commit"}


def test_a_repository_planted_in_the_copy_is_not_entered(root: Path, tmp_path: Path) -> None:
    """Tests that ran in the sandbox may leave a repository for us to walk into."""
    trap = hostile.plant("fsmonitor", tmp_path / "work")
    with Repository.open(root).scratch(tmp_path / "state") as scratch:
        shutil.copytree(trap.root, scratch.root / "inner")
        shutil.copytree(trap.root / ".git", scratch.root / ".git")
        (scratch.root / "made.py").write_text("made\n")
        assert [c.path for c in scratch.changes()] == ["made.py"]
        scratch.reset()
        assert not (scratch.root / "inner").exists()
        assert not (scratch.root / ".git").exists()
    assert trap.sprung() == ""


def test_a_folder_with_a_hostile_repository_inside_becomes_one(tmp_path: Path) -> None:
    trap = hostile.plant("fsmonitor", tmp_path / "work")
    folder = trap.root.parent
    create(folder, "all of it")
    assert trap.sprung() == ""
    assert "repo/" not in hostile.run_git(folder, "ls-files")


def test_relative_path_entries_do_not_find_git(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from v4agent.repo import git as module

    monkeypatch.chdir(root)
    monkeypatch.setenv("PATH", ".")
    module.binary.cache_clear()
    shutil.copy("/bin/true", root / "git")
    try:
        with pytest.raises(RepositoryError, match="not installed"):
            Repository.open(root)
    finally:
        module.binary.cache_clear()


def test_variables_of_a_running_git_do_not_lead_us_astray(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a hook starts us."""
    other = hostile.make(tmp_path / "other")
    before = hostile.digest(other)
    for name, value in {
        "GIT_DIR": f"{other}/.git",
        "GIT_COMMON_DIR": f"{other}/.git",
        "GIT_INDEX_FILE": f"{other}/.git/index",
        "GIT_WORK_TREE": str(other),
        "GIT_OBJECT_DIRECTORY": f"{other}/.git/objects",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.fsmonitor",
        "GIT_CONFIG_VALUE_0": "false",
    }.items():
        monkeypatch.setenv(name, value)
    commit = Repository.open(root).commit(EDIT, "here")
    for name in ("DIR", "COMMON_DIR", "INDEX_FILE", "WORK_TREE", "OBJECT_DIRECTORY"):
        monkeypatch.delenv(f"GIT_{name}")
    assert hostile.run_git(root, "rev-parse", "main").strip() == commit
    assert hostile.digest(other) == before
