from __future__ import annotations

import os
import shutil
from pathlib import Path

import hostile
import pytest

from v4agent.errors import RepositoryError
from v4agent.repo import Repository


def _refused(path: Path) -> RepositoryError:
    with pytest.raises(RepositoryError) as caught:
        Repository.open(path)
    assert caught.value.hint
    return caught.value


def test_any_folder_inside_opens_the_whole(root: Path) -> None:
    repository = Repository.open(root / "pkg")
    assert repository.root == root
    assert repository.branch == "main"
    assert repository.head == hostile.run_git(root, "rev-parse", "HEAD").strip()


def test_a_link_to_the_repository_opens_it(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    assert Repository.open(tmp_path / "link").root == root


def test_what_is_no_repository_is_refused_with_its_reason(tmp_path: Path) -> None:
    assert "not in a git repository" in _refused(tmp_path).message
    assert "not a folder" in _refused(tmp_path / "nowhere").message
    hostile.run_git(tmp_path, "init", "-q", "unborn")
    assert "no commit" in _refused(tmp_path / "unborn").message
    hostile.run_git(tmp_path, "init", "-q", "--bare", "bare")
    assert "bare" in _refused(tmp_path / "bare").message


def test_a_git_folder_is_not_a_place_to_work(root: Path) -> None:
    assert "git's own folder" in _refused(root / ".git" / "refs").message


def test_core_bare_counts(root: Path) -> None:
    hostile.run_git(root, "config", "core.bare", "true")
    assert "bare" in _refused(root).message


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("HEAD", None, "no HEAD"),
        ("HEAD", b"garbage\n", "failed|no commit"),
        ("HEAD", b"ref: refs/heads/../../x\n", "failed|no commit"),
        ("refs/heads/main", b"zz\n", "failed|no commit"),
        ("refs/heads/main", b"1" * 40 + b"\n", "damaged"),
        ("config", b"[broken", "bad config"),
        ("config", b"[core]\nrepositoryformatversion=99\n", "repo version"),
    ],
)
def test_a_broken_repository_says_so(
    name: str, content: bytes | None, said: str, root: Path
) -> None:
    path = root / ".git" / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RepositoryError, match=said):
        Repository.open(root)


def test_a_broken_index_says_so(root: Path) -> None:
    (root / ".git" / "index").write_bytes(b"DIRC garbage")
    with pytest.raises(RepositoryError, match="index"):
        Repository.open(root).files()


@pytest.mark.parametrize("content", [b"nothing\n", b"", b"gitdir: /nowhere\n", b"gitdir: \0\n"])
def test_a_git_file_that_leads_nowhere(content: bytes, tmp_path: Path) -> None:
    (tmp_path / ".git").write_bytes(content)
    with pytest.raises(RepositoryError, match=r"git"):
        Repository.open(tmp_path)


def test_a_special_file_as_git_folder_does_not_stop_us(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".git")
    with pytest.raises(RepositoryError, match="not a git directory"):
        Repository.open(tmp_path)


def test_detached_head(root: Path) -> None:
    hostile.run_git(root, "checkout", "-q", "--detach", "HEAD~1")
    repository = Repository.open(root)
    assert repository.branch is None
    assert repository.files() == (".gitignore", "a.py", "pkg/b.py")


def test_a_linked_worktree_has_its_own_head_and_the_common_objects(
    root: Path, tmp_path: Path
) -> None:
    hostile.run_git(root, "worktree", "add", "-q", "-b", "side", str(tmp_path / "linked"))
    repository = Repository.open(tmp_path / "linked" / "pkg")
    assert (repository.root, repository.branch) == (tmp_path / "linked", "side")
    assert repository.location.common_dir == root / ".git"
    assert repository.files() == (".gitignore", "a.py", "pkg/b.py")


def test_a_worktree_of_a_bare_repository(root: Path, tmp_path: Path) -> None:
    hostile.run_git(tmp_path, "clone", "-q", "--bare", str(root), "bare")
    hostile.run_git(tmp_path / "bare", "worktree", "add", "-q", str(tmp_path / "w"), "main")
    assert Repository.open(tmp_path / "w").branch == "main"


def test_a_separate_git_folder(root: Path, tmp_path: Path) -> None:
    hostile.run_git(root, "init", "-q", "--separate-git-dir", str(tmp_path / "gd"))
    assert Repository.open(root).location.git_dir == tmp_path / "gd"


def test_a_submodule_is_a_repository_of_its_own(tmp_path: Path) -> None:
    trap = hostile.plant("submodule", tmp_path)
    assert Repository.open(trap.root / "sub").root == trap.root / "sub"


def test_a_shallow_clone(root: Path, tmp_path: Path) -> None:
    hostile.run_git(tmp_path, "clone", "-q", "--depth=1", f"file://{root}", "shallow")
    assert "a.py" in Repository.open(tmp_path / "shallow").files()


def test_packed_refs_and_packed_objects(root: Path) -> None:
    hostile.run_git(root, "pack-refs", "--all")
    hostile.run_git(root, "gc", "-q")
    assert Repository.open(root).branch == "main"


def test_sha256(tmp_path: Path) -> None:
    hostile.run_git(tmp_path, "init", "-q", "--object-format=sha256", "-b", "main", "r")
    (tmp_path / "r" / "a.py").write_text("one\n")
    hostile.run_git(tmp_path / "r", "add", ".")
    hostile.run_git(tmp_path / "r", "commit", "-qm", "x")
    repository = Repository.open(tmp_path / "r")
    assert len(repository.head) == 64
    assert repository.files() == ("a.py",)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_repository_of_another_user_needs_safe_directory(root: Path, tmp_path: Path) -> None:
    shutil.chown(root / ".git", 65534)
    error = _refused(root)
    assert "another user" in error.message
    assert "safe.directory" in error.hint
    # the repository can't declare itself safe
    hostile.run_git(tmp_path, "config", "--file", str(root / ".git/config"), "safe.directory", "*")
    assert "another user" in _refused(root).message
    (tmp_path / "home" / ".gitconfig").write_text(f"[safe]\n\tdirectory = {root}\n")
    assert Repository.open(root).branch == "main"


def test_without_git_the_hint_says_what_to_install(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from v4agent.repo import git as module

    monkeypatch.setenv("PATH", str(tmp_path))
    module.binary.cache_clear()
    try:
        assert "install git" in _refused(root).hint
    finally:
        module.binary.cache_clear()
