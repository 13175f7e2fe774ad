from __future__ import annotations

import stat
import threading
from pathlib import Path

import hostile
import pytest

from v4agent.errors import RepositoryError, V4AgentError
from v4agent.files import Change
from v4agent.repo import Repository, commit, locks

EDIT = Change("pkg/b.py", b"three\n", b"four\n")
NEW = Change("deep/new.py", None, b"new\n")
GONE = Change("a.py", b"one\n", None)


def _log(root: Path, form: str = "%s") -> str:
    return hostile.run_git(root, "log", "-1", f"--format={form}").strip()


def _refused(
    root: Path, changes: list[Change], said: str, *, opened: Repository | None = None
) -> None:
    """The commit is refused, and every byte of tree and `.git` is as it was."""
    repository = opened or Repository.open(root)
    before = hostile.digest(root)
    with pytest.raises(V4AgentError, match=said):
        repository.commit(changes, "x")
    assert hostile.digest(root) == before


def test_a_commit_has_these_changes_and_no_others(root: Path) -> None:
    parent = hostile.run_git(root, "rev-parse", "HEAD").strip()
    repository = Repository.open(root)
    sha = repository.commit([EDIT, NEW, GONE], "subject\n\nbody\n")
    assert repository.head == sha == hostile.run_git(root, "rev-parse", "main").strip()
    assert _log(root, "%P") == parent
    assert _log(root, "%B") == "subject\n\nbody"
    shown = hostile.run_git(root, "show", "--format=", "--name-status", "--no-renames")
    assert shown.split() == ["D", "a.py", "A", "deep/new.py", "M", "pkg/b.py"]
    assert (root / "pkg" / "b.py").read_bytes() == b"four\n"
    assert not (root / "a.py").exists()
    assert hostile.run_git(root, "status", "--porcelain") == ""
    assert hostile.run_git(root, "diff-files") == ""  # the index knows the new files' times
    assert hostile.run_git(root, "fsck", "--strict", "--no-dangling") == ""
    assert hostile.run_git(root, "reflog", "-1", "--format=%gs").strip() == "commit: subject"


def test_two_commits_in_a_row(root: Path) -> None:
    repository = Repository.open(root)
    first = repository.commit([NEW], "one")
    assert "deep/new.py" in repository.files()
    repository.commit([Change("deep/new.py", b"new\n", b"newer\n")], "two")
    assert _log(root, "%P") == first
    assert hostile.run_git(root, "status", "--porcelain") == ""


def test_other_work_of_the_user_stays_as_it_was(root: Path) -> None:
    (root / "staged.py").write_text("staged\n")
    hostile.run_git(root, "add", "staged.py")
    (root / "staged.py").write_text("staged, then changed\n")
    (root / "a.py").write_text("dirty\n")
    (root / "untracked.py").write_text("")
    (root / "intent.py").write_text("")
    hostile.run_git(root, "add", "-N", "intent.py")
    hostile.run_git(root, "update-index", "--assume-unchanged", ".gitignore")
    hostile.run_git(root, "branch", "other")
    before = hostile.run_git(root, "status", "--porcelain")
    cached = hostile.run_git(root, "diff", "--cached")
    Repository.open(root).commit([EDIT], "mine alone")
    assert hostile.run_git(root, "status", "--porcelain") == before
    assert hostile.run_git(root, "diff", "--cached") == cached
    assert "h .gitignore" in hostile.run_git(root, "ls-files", "-v")
    assert hostile.run_git(root, "show", "--format=", "--name-only").split() == ["pkg/b.py"]


def test_a_stash_and_other_branches_stay(root: Path) -> None:
    (root / "a.py").write_text("stashed\n")
    hostile.run_git(root, "stash")
    stash = hostile.run_git(root, "stash", "list")
    Repository.open(root).commit([EDIT], "x")
    assert hostile.run_git(root, "stash", "list") == stash


def test_detached_head_moves_and_no_branch(root: Path) -> None:
    main = hostile.run_git(root, "rev-parse", "main")
    hostile.run_git(root, "checkout", "-q", "--detach")
    sha = Repository.open(root).commit([EDIT], "x")
    assert hostile.run_git(root, "rev-parse", "HEAD").strip() == sha
    assert hostile.run_git(root, "rev-parse", "main") == main
    assert hostile.run_git(root, "status", "--porcelain") == ""


def test_in_a_linked_worktree_its_branch_moves(root: Path, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    hostile.run_git(root, "worktree", "add", "-q", "-b", "side", str(linked))
    main = hostile.run_git(root, "rev-parse", "main")
    sha = Repository.open(linked).commit([EDIT], "x")
    assert hostile.run_git(root, "rev-parse", "side").strip() == sha
    assert hostile.run_git(root, "rev-parse", "main") == main
    assert hostile.run_git(linked, "status", "--porcelain") == ""
    assert hostile.run_git(root, "status", "--porcelain") == ""


@pytest.mark.parametrize("pack", [("pack-refs", "--all"), ("gc", "-q")])
def test_packed(root: Path, pack: tuple[str, ...]) -> None:
    hostile.run_git(root, *pack)
    sha = Repository.open(root).commit([EDIT], "x")
    assert hostile.run_git(root, "rev-parse", "main").strip() == sha


def test_a_branch_with_a_slash_and_one_that_is_a_symbolic_ref(root: Path) -> None:
    hostile.run_git(root, "checkout", "-q", "-b", "topic/one")
    repository = Repository.open(root)
    assert repository.branch == "topic/one"
    sha = repository.commit([EDIT], "x")
    hostile.run_git(root, "symbolic-ref", "refs/heads/alias", "refs/heads/topic/one")
    hostile.run_git(root, "symbolic-ref", "HEAD", "refs/heads/alias")
    again = Repository.open(root).commit([NEW], "y")
    assert _log(root, "%P") == sha
    assert hostile.run_git(root, "rev-parse", "topic/one").strip() == again
    assert hostile.run_git(root, "symbolic-ref", "refs/heads/alias") == "refs/heads/topic/one\n"


@pytest.mark.parametrize("kind", ["split", "sparse", "version 4", "untracked cache"])
def test_indexes_of_every_kind(kind: str, root: Path) -> None:
    if kind == "split":
        hostile.run_git(root, "update-index", "--split-index")
    elif kind == "sparse":
        (root / "far").mkdir()
        (root / "far" / "c.py").write_text("")
        hostile.run_git(root, "add", ".")
        hostile.run_git(root, "commit", "-qm", "far")
        hostile.run_git(root, "sparse-checkout", "set", "--sparse-index", "pkg")
    elif kind == "version 4":
        hostile.run_git(root, "update-index", "--index-version", "4")
    else:
        hostile.run_git(root, "update-index", "--force-untracked-cache")
        hostile.run_git(root, "status")
    Repository.open(root).commit([EDIT, Change("pkg/new.py", None, b"new\n")], "x")
    assert hostile.run_git(root, "status", "--porcelain") == ""
    if kind == "sparse":
        assert not (root / "far").exists()
        assert "far/c.py" in hostile.run_git(root, "ls-tree", "-r", "--name-only", "HEAD")


def test_modes_follow_head_and_the_change(root: Path) -> None:
    hostile.run_git(root, "update-index", "--chmod=+x", "a.py")
    (root / "a.py").chmod(0o755)
    hostile.run_git(root, "commit", "-qm", "x")
    Repository.open(root).commit(
        [Change("a.py", b"one\n", b"two\n"), Change("run.sh", None, b"#!/bin/sh\n", 0o755)], "y"
    )
    tree = hostile.run_git(root, "ls-tree", "HEAD", "a.py", "run.sh")
    assert tree.count("100755") == 2
    assert (root / "run.sh").stat().st_mode & 0o111
    assert hostile.run_git(root, "status", "--porcelain") == ""


def test_line_ends_that_git_converts_are_converted(root: Path) -> None:
    hostile.run_git(root, "config", "core.autocrlf", "true")
    (root / "a.py").unlink()
    hostile.run_git(root, "checkout", "a.py")
    assert (root / "a.py").read_bytes() == b"one\r\n"
    Repository.open(root).commit([Change("a.py", b"one\r\n", b"one\r\ntwo\r\n")], "x")
    assert hostile.run_git(root, "cat-file", "blob", "HEAD:a.py") == "one\ntwo\n"
    assert (root / "a.py").read_bytes() == b"one\r\ntwo\r\n"
    assert hostile.run_git(root, "status", "--porcelain") == ""


def test_crlf_and_binary_content_is_kept_byte_for_byte(root: Path) -> None:
    data = bytes(range(256)) + b"\r\n"
    Repository.open(root).commit(
        [Change("x.bin", None, data), Change("c.txt", None, b"1\r\n")], "x"
    )
    (root / "x.bin").unlink()
    hostile.run_git(root, "checkout", "x.bin")
    assert (root / "x.bin").read_bytes() == data
    assert hostile.run_git(root, "status", "--porcelain") == ""


@pytest.mark.parametrize("path", ["sp ace.py", "ünï/cödé.py", "[glob].py", "-dash.py", "#x"])
def test_paths_are_taken_by_the_letter(path: str, root: Path) -> None:
    Repository.open(root).commit([Change(path, None, b"new\n")], "x")
    assert hostile.run_git(root, "show", "--format=", "--name-only", "-z").strip("\0") == path
    assert hostile.run_git(root, "status", "--porcelain") == ""


def test_the_author_is_the_user(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = Repository.open(root)
    repository.commit([EDIT], "nobody is set")
    assert _log(root, "%an <%ae>") == "v4agent <v4agent@localhost>"
    home = tmp_path / "home"
    (home / "work.cfg").write_text("[user]\n\temail = work@example.org\n")
    (home / ".gitconfig").write_text(
        f'[user]\n\tname = Jo\n\temail = jo@example.org\n[includeIf "gitdir:{root}/"]\n'
        f"\tpath = {home}/work.cfg\n"
    )
    repository.commit([NEW], "the user's file, and what it includes")
    assert _log(root, "%an <%ae> %cn <%ce>") == "Jo <work@example.org> Jo <work@example.org>"
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Env")
    repository.commit([GONE], "the environment")
    assert _log(root, "%an %cn") == "Env Jo"


def test_changes_of_the_user_are_not_swept_in(root: Path) -> None:
    (root / "pkg" / "b.py").write_text("dirty\n")
    _refused(root, [Change("pkg/b.py", b"dirty\n", b"four\n")], "uncommitted changes")
    hostile.run_git(root, "checkout", "pkg/b.py")
    (root / "pkg" / "b.py").write_text("staged\n")
    hostile.run_git(root, "add", ".")
    (root / "pkg" / "b.py").write_text("three\n")
    _refused(root, [EDIT], "staged changes")


def test_an_untracked_file_of_the_user_is_not_swept_in(root: Path) -> None:
    (root / "mine.py").write_text("mine\n")
    _refused(root, [Change("mine.py", b"mine\n", b"edited\n")], "uncommitted changes")
    _refused(root, [Change("mine.py", None, b"edited\n")], "has changed since")


def test_a_file_that_changed_meanwhile(root: Path) -> None:
    repository = Repository.open(root)
    (root / "pkg" / "b.py").write_text("meanwhile\n")
    _refused(root, [NEW, EDIT], "has changed since", opened=repository)


def test_head_that_moved_meanwhile(root: Path) -> None:
    repository = Repository.open(root)
    hostile.run_git(root, "commit", "-q", "--allow-empty", "-m", "meanwhile")
    _refused(root, [EDIT], "HEAD has moved", opened=repository)


def test_a_locked_index_or_branch(root: Path) -> None:
    (root / ".git" / "index.lock").write_text("")
    _refused(root, [EDIT], r"index\.lock exists")
    (root / ".git" / "index.lock").unlink()
    (root / ".git" / "refs" / "heads" / "main.lock").write_text("")
    before = _tree(root)
    with pytest.raises(RepositoryError, match="update-ref failed"):
        Repository.open(root).commit([EDIT], "x")
    assert _tree(root) == before


def test_a_merge_in_progress(root: Path) -> None:
    hostile.run_git(root, "checkout", "-q", "-b", "side", "HEAD~1")
    (root / "pkg" / "b.py").write_text("other\n")
    hostile.run_git(root, "commit", "-qam", "other")
    hostile.run_git(root, "merge", "main", check=False)
    _refused(root, [NEW], "in progress")


def test_nothing_to_commit_and_a_bad_message(root: Path) -> None:
    _refused(root, [], "nothing to commit")
    repository = Repository.open(root)
    before = hostile.digest(root)
    with pytest.raises(RepositoryError, match="NUL"):
        repository.commit([EDIT], "a\0b")
    assert hostile.digest(root) == before


def test_a_file_cannot_take_a_folders_place(root: Path) -> None:
    _refused(root, [Change("pkg", None, b"x")], "remove pkg/b.py as well")
    _refused(root, [Change("a.py/x.py", None, b"x")], "remove a.py as well")
    hostile.run_git(root, "rm", "-q", "-r", "pkg")
    _refused(root, [Change("pkg", None, b"x")], "remove pkg/b.py as well")
    hostile.run_git(root, "commit", "-qm", "no pkg")
    (root / "pkg").mkdir()
    (root / "pkg" / "staged.py").write_text("")
    hostile.run_git(root, "add", ".")
    (root / "pkg" / "staged.py").unlink()
    (root / "pkg").rmdir()
    _refused(root, [Change("pkg", None, b"x")], "unstage other files")


def test_sha256_is_refused_with_a_way_out(tmp_path: Path) -> None:
    hostile.run_git(tmp_path, "init", "-q", "--object-format=sha256", "-b", "main", "r")
    root = tmp_path / "r"
    (root / "a.py").write_text("one\n")
    hostile.run_git(root, "add", ".")
    hostile.run_git(root, "commit", "-qm", "x")
    _refused(root, [GONE], "SHA-256")
    Repository.open(root).apply([GONE])


def test_a_failure_half_way_puts_the_tree_back(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt while the branch is to be moved: nothing of the user's has changed."""
    real = commit.git

    def interrupted(*arguments: str, **options: object) -> bytes:
        if arguments[0] == "update-ref":
            raise KeyboardInterrupt
        return real(*arguments, **options)  # type: ignore[arg-type]

    repository = Repository.open(root)
    before = _tree(root)
    monkeypatch.setattr(commit, "git", interrupted)
    with pytest.raises(KeyboardInterrupt):
        repository.commit([EDIT, Change("n.py", None, b"")], "x")
    assert _tree(root) == before
    assert not (root / ".git" / "index.lock").exists()


def test_an_interrupt_after_the_branch_moved_ends_the_commit(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = commit.git

    def late(*arguments: str, **options: object) -> bytes:
        done = real(*arguments, **options)  # type: ignore[arg-type]
        if arguments[0] == "update-ref":
            raise KeyboardInterrupt
        return done

    monkeypatch.setattr(commit, "git", late)
    with pytest.raises(KeyboardInterrupt):
        Repository.open(root).commit([EDIT], "x")
    assert _log(root) == "x"
    assert hostile.run_git(root, "status", "--porcelain") == ""


def _tree(root: Path) -> dict[str, str]:
    """Everything but objects: those of a commit that failed may stay, unreachable."""
    return {p: d for p, d in hostile.digest(root).items() if not p.startswith(".git/objects")}


def test_apply_is_all_or_nothing(root: Path) -> None:
    repository = Repository.open(root)
    repository.apply([EDIT, NEW])
    assert (root / "deep" / "new.py").read_bytes() == b"new\n"
    before = hostile.digest(root)
    with pytest.raises(V4AgentError, match="has changed since"):
        repository.apply([GONE, EDIT])
    assert hostile.digest(root) == before


def test_only_one_writer_at_a_time(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "LOCK_SECONDS", 0.2)
    state = tmp_path / "state"
    repository = Repository.open(root)
    with locks.writer(root / ".git", state):
        for change in (repository.apply, lambda c, **o: repository.commit(c, "x", **o)):
            with pytest.raises(RepositoryError, match="another run"):
                change([EDIT], state_dir=state)
    repository.apply([EDIT], state_dir=state)
    assert not list(root.rglob("*.lock"))


def test_many_runs_at_once_commit_one_after_the_other(root: Path) -> None:
    failures: list[BaseException] = []

    def one(number: int) -> None:
        try:
            for _ in range(30):
                try:
                    Repository.open(root).commit([Change(f"n{number}.py", None, b"")], f"{number}")
                except RepositoryError as error:
                    if "HEAD has moved" not in error.message:
                        raise
                else:
                    return
            raise AssertionError("never had its turn")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=one, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert hostile.run_git(root, "rev-list", "--count", "HEAD").strip() == "6"
    assert hostile.run_git(root, "status", "--porcelain") == ""


def test_a_shared_repository_stays_its_groups(root: Path) -> None:
    objects = root / ".git" / "objects"
    objects.chmod(0o2775)
    (root / ".git" / "index").chmod(0o664)
    Repository.open(root).commit([EDIT], "x")
    oid = hostile.run_git(root, "rev-parse", "HEAD").strip()
    assert stat.S_IMODE((objects / oid[:2]).stat().st_mode) & 0o2070 == 0o2070
    assert stat.S_IMODE((root / ".git" / "index").stat().st_mode) == 0o664


def test_a_partial_clone_without_the_blobs(root: Path, tmp_path: Path) -> None:
    hostile.run_git(root, "config", "uploadpack.allowFilter", "true")
    hostile.run_git(tmp_path, "clone", "-q", "--filter=blob:none", f"file://{root}", "part")
    Repository.open(tmp_path / "part").commit([EDIT], "x")
    assert hostile.run_git(tmp_path / "part", "status", "--porcelain") == ""
