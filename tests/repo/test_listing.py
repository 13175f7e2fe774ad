from __future__ import annotations

import os
import socket
from pathlib import Path

import hostile
import pytest

from v4agent.repo import Repository

BASE = (".gitignore", "a.py", "pkg/b.py")


def test_tracked_and_untracked_but_not_ignored_or_deleted(root: Path) -> None:
    (root / "new.py").write_text("")
    (root / "noise.log").write_text("")
    (root / "a.py").unlink()
    assert Repository.open(root).files() == (".gitignore", "new.py", "pkg/b.py")


def test_ignore_rules_of_every_place_count(root: Path, tmp_path: Path) -> None:
    (root / ".git" / "info" / "exclude").write_text("by-info\n")
    (root / "pkg" / ".gitignore").write_text("by-folder\n!keep.log\n")
    (tmp_path / "home" / ".config" / "git").mkdir(parents=True)
    (tmp_path / "home" / ".config" / "git" / "ignore").write_text("by-user\n")
    for name in ("by-info", "pkg/by-folder", "by-user", "pkg/keep.log", "pkg/drop.log"):
        (root / name).write_text("")
    found = set(Repository.open(root).files()) - set(BASE)
    assert found == {"pkg/.gitignore", "pkg/keep.log"}


def test_the_users_own_ignore_file_by_name(root: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("by-name\n")
    (tmp_path / "home" / ".gitconfig").write_text(f"[core]\n\texcludesFile = {tmp_path}/mine\n")
    (root / "by-name").write_text("")
    assert Repository.open(root).files() == BASE


def test_links_and_special_files_are_left_out_with_a_reason(root: Path) -> None:
    (root / "inside").symlink_to("a.py")
    (root / "outside").symlink_to("/etc/passwd")
    os.mkfifo(root / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(root / "socket"))
        repository = Repository.open(root)
        assert repository.files() == BASE
    hostile.run_git(root, "add", "inside")
    assert repository.skipped["inside"] == "symbolic link"
    assert repository.skipped["outside"] == "symbolic link"


def test_a_tracked_file_that_became_something_else(root: Path) -> None:
    (root / "a.py").unlink()
    os.mkfifo(root / "a.py")
    (root / "pkg" / "b.py").unlink()
    (root / "pkg").rmdir()
    (root / "pkg").symlink_to("/etc")
    repository = Repository.open(root)
    assert repository.files() == (".gitignore",)
    assert repository.skipped["a.py"] == "not a regular file"
    assert repository.skipped["pkg/b.py"] == "behind a symbolic link"


def test_odd_names_are_not_for_editing_but_are_copied(root: Path, tmp_path: Path) -> None:
    names = [b"caf\xe9.txt", b"what?.txt", b"line\nbreak.txt", b" leading"]
    for name in names:
        Path(os.fsdecode(os.fsencode(root) + b"/" + name)).write_text("data")
    repository = Repository.open(root)
    assert repository.files() == BASE
    assert repository.skipped["caf\ufffd.txt"] == "its name is not UTF-8"
    with repository.scratch(tmp_path / "state") as scratch:
        assert set(names) <= {os.fsencode(p.name) for p in scratch.root.iterdir()}


def test_submodules_and_embedded_repositories_are_named_not_entered(tmp_path: Path) -> None:
    trap = hostile.plant("submodule", tmp_path)
    hostile.make(trap.root / "embedded")
    repository = Repository.open(trap.root)
    assert not [f for f in repository.files() if f.startswith(("sub/", "embedded/"))]
    assert repository.skipped["sub"] == "submodule"
    assert repository.skipped["embedded/"] == "a repository inside this one"


def test_a_conflict_is_one_file(root: Path) -> None:
    hostile.run_git(root, "checkout", "-q", "-b", "side", "HEAD~1")
    (root / "pkg" / "b.py").write_text("other\n")
    hostile.run_git(root, "commit", "-qam", "other")
    hostile.run_git(root, "merge", "main", check=False)
    assert hostile.run_git(root, "ls-files", "-u").count("b.py") == 3
    assert Repository.open(root).files() == BASE


@pytest.mark.parametrize("sparse_index", ["--sparse-index", "--no-sparse-index"])
def test_a_sparse_checkout_has_what_is_checked_out(root: Path, sparse_index: str) -> None:
    (root / "far").mkdir()
    (root / "far" / "c.py").write_text("")
    hostile.run_git(root, "add", ".")
    hostile.run_git(root, "commit", "-qm", "far")
    hostile.run_git(root, "sparse-checkout", "set", sparse_index, "pkg")
    assert not (root / "far").exists()
    assert Repository.open(root).files() == BASE


def test_a_split_index(root: Path) -> None:
    hostile.run_git(root, "update-index", "--split-index")
    (root / "new.py").write_text("")
    hostile.run_git(root, "add", "new.py")
    assert list((root / ".git").glob("sharedindex.*"))
    assert Repository.open(root).files() == (".gitignore", "a.py", "new.py", "pkg/b.py")


def test_no_index_at_all(root: Path) -> None:
    (root / ".git" / "index").unlink()
    (root / "tracked.log").write_text("")
    assert Repository.open(root).files() == BASE


def test_a_locked_index_is_read_all_the_same(root: Path) -> None:
    (root / ".git" / "index.lock").write_text("")
    assert Repository.open(root).files() == BASE


def test_an_evil_pattern_costs_no_time(root: Path) -> None:
    (root / ".gitignore").write_text("a*a*a*a*a*a*a*a*a*a*b\n")
    (root / ("a" * 60)).write_text("")
    assert "a" * 60 in Repository.open(root).files()


def test_environments(root: Path) -> None:
    (root / ".gitignore").write_text("*.log\n.venv\nmyenv\nignored\n")
    for folder in (".venv/lib", "myenv", "pkg/node_modules/x", "ignored", "bare-venv/lib"):
        (root / folder).mkdir(parents=True)
    for name in (".venv/lib/x.py", "myenv/pyvenv.cfg", "pkg/node_modules/x/i.js", "ignored/x",
                 "bare-venv/pyvenv.cfg", "bare-venv/lib/y.py"):  # fmt: skip
        (root / name).write_text("")
    (root / "venv").symlink_to("/etc")
    repository = Repository.open(root)
    names = [p.relative_to(root).as_posix() for p in repository.environments()]
    assert names == [".venv", "bare-venv", "myenv", "pkg/node_modules"]
    assert repository.files() == BASE  # nobody ignores bare-venv and node_modules, and yet
