"""Commits a set of changes without running anything of the repository's.

Objects are made in a private directory and copied into the user's store; the index is replaced
under git's own lock file and the branch moved by compare-and-swap, so a running git and we exclude
each other. Until the branch has moved, every failure puts the working tree back.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from v4agent.errors import RepositoryError
from v4agent.files import Change, apply_changes
from v4agent.repo.discovery import Location, head_of
from v4agent.repo.git import READ_TIMEOUT_SECONDS, git, private_dir, setting
from v4agent.repo.locks import GitLock, write_once
from v4agent.repo.objects import Blob, Committed

FALLBACK_NAME, FALLBACK_EMAIL = "v4agent", "v4agent@localhost"
IN_PROGRESS = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply")


class _Entry(NamedTuple):
    """What the new commit has at a path."""

    path: str
    mode: str
    """`0`: nothing."""
    oid: str
    as_is: bool
    """The working tree has the same bytes (no conversion of line ends)."""

    @property
    def line(self) -> bytes:
        """For `update-index --index-info`."""
        return f"{self.mode} {self.oid}\t{self.path}\0".encode()


class _Move(NamedTuple):
    """From the commit that HEAD is at to the new one."""

    head: str
    commit: str
    message: str
    who: dict[str, str]
    objects: Path
    """Where the new objects are."""


def commit_changes(location: Location, head: str, changes: Sequence[Change], message: str) -> str:
    """See `Repository.commit`."""
    _require_committable(location, changes)
    with tempfile.TemporaryDirectory(prefix="v4agent-commit-") as folder:
        private = private_dir(Path(folder) / "git", location.common_dir / "objects",
                              object_format="sha256" if len(head) == 64 else "sha1")  # fmt: skip
        with Committed(private, head) as committed:
            blobs = {change.path: committed.read(change.path) for change in changes}
        entries = [_entry(location, private, c, blobs[c.path], len(head)) for c in changes]
        who = _identity(location)
        commit = _commit_object(private, head, entries, message, who)
        with GitLock(location.git_dir / "index") as lock:
            index = _new_index(location, private, entries, blobs)
            _require_head(location, head)
            move = _Move(head, commit, message, who, private / "objects")
            _change_all(location, changes, entries, index, lock, move)
    return commit


def _change_all(
    location: Location,
    changes: Sequence[Change],
    entries: Sequence[_Entry],
    index: Path | None,
    lock: GitLock,
    move: _Move,
) -> None:
    """Working tree, branch and index, in this order; back to before if the branch won't move.

    Objects that were copied for nothing stay, unreachable: somebody else may have come to rely on
    them.
    """
    modes = {c.path: _mode(location.root / c.path) for c in changes}
    apply_changes(location.root, changes)
    try:
        if index is not None:
            _stamp(location, index, entries)
            lock.write(index.read_bytes())
        _copy_objects(move.objects, location.common_dir / "objects")
        _move_head(location, move)
    except BaseException:
        if head_of(location) != move.commit:
            back = [Change(c.path, c.after, c.before, modes[c.path]) for c in reversed(changes)]
            apply_changes(location.root, back)
        elif index is not None:
            lock.commit()
        raise
    if index is not None:
        lock.commit()


def _move_head(location: Location, move: _Move) -> None:
    """By compare-and-swap: fails where HEAD is no longer what the commit was made on."""
    subject = move.message.partition("\n")[0]
    git(
        "update-ref", "-m", f"commit: {subject}", "HEAD", move.commit, move.head,
        git_dir=location.git_dir, env=move.who, timeout=READ_TIMEOUT_SECONDS,
    )  # fmt: skip


def _require_committable(location: Location, changes: Sequence[Change]) -> None:
    if not changes:
        raise RepositoryError("there is nothing to commit", hint="run again")
    for name in IN_PROGRESS:
        if (location.git_dir / name).exists():
            raise RepositoryError(
                f"a merge, rebase, cherry-pick or revert is in progress ({name});"
                " nothing was changed",
                hint="finish or abort it first, or use --apply instead of --commit",
            )
    parent = location.git_dir.parent
    if location.git_dir.name == ".git" and parent != location.root:
        raise RepositoryError(
            f"{location.root}/.git points to the repository of another folder, {parent}",
            hint=f"run in {parent}, or use --apply instead of --commit",
        )


def _require_head(location: Location, head: str) -> None:
    if head_of(location) != head:
        raise RepositoryError(
            "HEAD has moved since the run began; nothing was changed", hint="run again"
        )


def _entry(
    location: Location, private: Path, change: Change, blob: Blob | None, digits: int
) -> _Entry:
    """What to commit at a path; the working tree must have there what HEAD has."""
    crlf = _differs_in_line_ends(change.before, blob)
    if blob is not None and not stat.S_ISREG(blob.mode):
        raise RepositoryError(f"{change.path} is a link in HEAD; nothing was changed")
    if not crlf and (blob and blob.data) != change.before:
        raise RepositoryError(
            f"{change.path} has uncommitted changes of yours; nothing was changed",
            hint="commit or stash them first, or use --apply instead of --commit",
        )
    if change.after is None:
        return _Entry(change.path, "0", "0" * digits, True)
    data = change.after.replace(b"\r\n", b"\n") if crlf else change.after
    oid = git("hash-object", "-w", "--no-filters", "--stdin", git_dir=private, stdin=data)
    executable = blob.mode & 0o111 if blob else 0
    if change.mode is not None:
        executable = change.mode & 0o111
    mode = "100755" if executable else "100644"
    return _Entry(change.path, mode, oid.decode().strip(), data == change.after)


def _differs_in_line_ends(before: bytes | None, blob: Blob | None) -> bool:
    """True for a file that git checked out with CRLF and stores with LF."""
    if before is None or blob is None or before == blob.data:
        return False
    return b"\r\n" not in blob.data and before.replace(b"\r\n", b"\n") == blob.data


def _commit_object(
    private: Path, head: str, entries: Sequence[_Entry], message: str, who: dict[str, str]
) -> str:
    index = private / "commit-index"
    git("read-tree", head, git_dir=private, index=index)
    _update(private, index, entries)
    tree = git("write-tree", "--missing-ok", git_dir=private, index=index).decode().strip()
    _require_only(private, head, tree, entries)
    text = message.rstrip("\n") + "\n"
    made = git("commit-tree", tree, "-p", head, git_dir=private, stdin=text.encode(), env=who)
    return made.decode().strip()


def _require_only(private: Path, head: str, tree: str, entries: Sequence[_Entry]) -> None:
    """git silently drops `pkg/x.py` from an index that gets a file `pkg`."""
    listed = git("diff-tree", "-r", "-z", "--name-only", "--no-renames", head, tree,
                 git_dir=private)  # fmt: skip
    more = {os.fsdecode(p) for p in listed.split(b"\0") if p} - {e.path for e in entries}
    if more:
        raise RepositoryError(
            f"the change would remove {min(more)} as well; nothing was changed",
            hint="a file can't take the place of a folder",
        )


def _update(private: Path, index: Path, entries: Sequence[_Entry]) -> None:
    lines = b"".join(entry.line for entry in entries)
    git("update-index", "-z", "--index-info", git_dir=private, index=index, stdin=lines)


def _new_index(
    location: Location,
    private: Path,
    entries: Sequence[_Entry],
    blobs: dict[str, Blob | None],
) -> Path | None:
    """The user's index with our entries: what is staged of other files stays staged.

    None where there is no index: nothing was ever checked out.
    """
    source = location.git_dir / "index"
    if not source.is_file():
        return None
    index = private / "index"
    shutil.copyfile(source, index)
    for shared in location.git_dir.glob("sharedindex.*"):
        shutil.copyfile(shared, private / shared.name)
    _require_unstaged(private, index, blobs)
    before = _others(private, index, blobs)
    _update(private, index, entries)
    if _others(private, index, blobs) != before:
        raise RepositoryError(
            "the change would unstage other files; nothing was changed",
            hint="a file can't take the place of a folder",
        )
    return index


def _others(private: Path, index: Path, blobs: dict[str, Blob | None]) -> list[bytes]:
    listed = git("ls-files", "-s", "-z", git_dir=private, index=index).split(b"\0")
    ours = {path.encode() for path in blobs}
    return [entry for entry in listed if entry.partition(b"\t")[2] not in ours]


def _require_unstaged(private: Path, index: Path, blobs: dict[str, Blob | None]) -> None:
    listed = git("ls-files", "-s", "-z", "--", *blobs, git_dir=private, index=index)
    staged = {os.fsdecode(e.partition(b"\t")[2]): e for e in listed.split(b"\0") if e}
    for path, blob in blobs.items():
        expected = f"{blob.mode:o} {blob.oid} 0\t{path}".encode() if blob else None
        if staged.get(path) != expected:
            raise RepositoryError(
                f"{path} has staged changes of yours; nothing was changed",
                hint="commit or unstage them first, or use --apply instead of --commit",
            )


def _stamp(location: Location, index: Path, entries: Sequence[_Entry]) -> None:
    """Note the new files' times in the index, so that they count as clean at a glance."""
    names = b"".join(e.path.encode() + b"\0" for e in entries if e.as_is and e.mode != "0")
    if not names:
        return
    stamped = index.with_name("stamped-index")
    shutil.copyfile(index, stamped)
    listing = ("ls-files", "-s", "-z")
    with contextlib.suppress(RepositoryError):  # git then compares the content, as it can
        git("update-index", "-z", "--stdin", git_dir=index.parent, work_tree=location.root,
            index=stamped, stdin=names)  # fmt: skip
        same = [git(*listing, git_dir=index.parent, index=i) for i in (index, stamped)]
        if same[0] == same[1]:
            stamped.replace(index)


def _copy_objects(source: Path, target: Path) -> None:
    """Copy the loose objects that we made; an object that is there already is the same."""
    folder_mode = stat.S_IMODE(target.stat().st_mode)
    for found in sorted(source.glob("[0-9a-f][0-9a-f]/*")):
        folder = target / found.parent.name
        if not folder.exists():
            folder.mkdir()
            folder.chmod(folder_mode)  # a shared repository's objects are its group's
        if folder.is_symlink() or not folder.is_dir():
            raise RepositoryError(f"{folder} is a link or no folder; nothing was changed")
        if not (folder / found.name).exists():
            write_once(folder / found.name, found.read_bytes(), 0o444)


def _mode(path: Path) -> int | None:
    try:
        return stat.S_IMODE(os.lstat(path).st_mode)
    except OSError:
        return None


def _identity(location: Location) -> dict[str, str]:
    """Author and committer: from the environment, else the user's configuration, else ours."""

    def value(variable: str, key: str, fallback: str) -> str:
        if os.environ.get(variable, "").strip():
            return os.environ[variable]
        found = [v for v in setting(key, location.git_dir) if v.strip("\n\r\t <>.,;:\"'")]
        return found[-1] if found else fallback

    who = {}
    for role in ("AUTHOR", "COMMITTER"):
        name = value(f"GIT_{role}_NAME", "user.name", FALLBACK_NAME)
        who[f"GIT_{role}_NAME"] = name
        who[f"GIT_{role}_EMAIL"] = value(f"GIT_{role}_EMAIL", "user.email", FALLBACK_EMAIL)
    return who
