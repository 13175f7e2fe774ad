"""A private copy of a working tree, in which edits are tried and tests run.

It has a pristine twin. What differs between the two is found by the files' stamps (inode, size,
change time): a change time can't be set by a program, so an unchanged stamp is an unchanged file.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from v4agent.errors import PathRefused
from v4agent.files import Change, read_or_none, validate_path
from v4agent.repo.copying import copy_file
from v4agent.repo.diff import Version, diff_versions
from v4agent.repo.git import git
from v4agent.repo.locks import remove_tree

LEFTOVERS = ("__pycache__/", "*.py[co]", ".pytest_cache/")
"""What test runs leave even where nobody ignores it; never part of a diff."""
CLOCK_SECONDS = 0.02
"""Longer than a tick of the clock that stamps files: a later write gets another stamp."""


class Stamp(NamedTuple):
    """What changes whenever a file's content or mode does."""

    inode: int
    size: int
    changed_ns: int
    mode: int

    @classmethod
    def of(cls, info: os.stat_result) -> Stamp:
        """The stamp of an `lstat` result."""
        return cls(info.st_ino, info.st_size, info.st_ctime_ns, info.st_mode)


class Scratch:
    """A copy of a working tree with a pristine twin, from which it is put back."""

    def __init__(self, base: Path, root: Path, private: Path) -> None:
        """Make the copy of its twin.

        Args:
            base: the twin, as copied from the user's tree; nobody else writes there.
            root: where to make the copy; must not exist.
            private: a private git directory, for ignore rules.
        """
        self.root = root
        """The copy that tests run in; anything may happen to it."""
        self._base = base
        self._private = private
        self._folders: set[str] = set()
        self._stamps: dict[str, Stamp] = {}
        self._modes: dict[str, int] = {}
        for path, info in _walk(base):
            if stat.S_ISDIR(info.st_mode):
                self._folders.add(path)
            else:
                self._modes[path] = info.st_mode
        self.root.mkdir(mode=0o700)
        self._put_back(self._modes)

    def read(self, path: str) -> bytes | None:
        """Content of a file before any change; None where there is none."""
        return read_or_none(self._base, path)

    def clone(self, target: Path) -> None:
        """Copy the tree as it was before any change to another folder."""
        shutil.copytree(self._base, target, symlinks=True)

    def reset(self) -> None:
        """Put the copy back as it was: whatever tests wrote is gone."""
        if self.root.is_symlink() or not self.root.is_dir():
            self.root.unlink(missing_ok=True)
            self.root.mkdir(mode=0o700)
        self.root.chmod(0o700)
        now = self._now()
        for path, info in sorted(now.items()):
            if not self._expected(path, info.st_mode):
                _remove(self.root / path)
        self._put_back(p for p in self._modes if self._differs(p, now))

    def restore(self, paths: Iterable[str]) -> None:
        """Put some files back as they were; files that were not there are removed.

        Raises:
            PathRefused: a path that can't be of this tree.
        """
        wanted = [str(validate_path(path)) for path in paths]
        for path in wanted:
            if path not in self._modes and (self.root / path).parent.is_dir():
                _remove(self.root / path)
        now = self._now()
        self._put_back(p for p in wanted if p in self._modes and self._differs(p, now))

    def changes(self) -> tuple[Change, ...]:
        """What differs from the tree at the start, ignored and test-made files aside; in order.

        `mode` is set where the permission to execute differs or the file is new and executable.
        """
        return tuple(_change(path, *pair) for path, pair in sorted(self._pairs().items()))

    def diff(self) -> str:
        """`changes()` as a diff that `git apply` takes in the user's tree."""
        return diff_versions(self._pairs())

    def _pairs(self) -> dict[str, tuple[Version | None, Version | None]]:
        now = self._now()
        gone_or_changed = {
            p for p, mode in self._modes.items() if stat.S_ISREG(mode) and self._differs(p, now)
        }
        made = {p for p, i in now.items() if p not in self._modes and stat.S_ISREG(i.st_mode)}
        pairs = {}
        for path in gone_or_changed | (made and made & self._not_ignored()):
            with contextlib.suppress(PathRefused, UnicodeEncodeError):
                pair = _version(self._base, path), _version(self.root, path)
                if pair[0] != pair[1]:
                    pairs[path] = pair
        return pairs

    def _not_ignored(self) -> set[str]:
        """Files of the copy that the ignore rules, as they stand in it, do not name."""
        options = [x for pattern in LEFTOVERS for x in ("-x", pattern)]
        raw = git("ls-files", "-o", "-z", "--exclude-standard", *options, git_dir=self._private,
                  work_tree=self.root, index=self._private / "no-index")  # fmt: skip
        return {os.fsdecode(path) for path in raw.split(b"\0")}

    def _now(self) -> dict[str, os.stat_result]:
        return dict(_walk(self.root))

    def _expected(self, path: str, mode: int) -> bool:
        if stat.S_ISDIR(mode):
            return path in self._folders
        return path in self._modes and stat.S_IFMT(mode) == stat.S_IFMT(self._modes[path])

    def _differs(self, path: str, now: dict[str, os.stat_result]) -> bool:
        return path not in now or Stamp.of(now[path]) != self._stamps.get(path)

    def _put_back(self, paths: Iterable[str]) -> None:
        for folder in sorted(self._folders):  # parents first
            (self.root / folder).mkdir(exist_ok=True)
        for path in paths:
            target = self.root / path
            _remove(target)
            if stat.S_ISLNK(self._modes[path]):
                target.symlink_to((self._base / path).readlink())
            else:
                copy_file(self._base / path, target)
            self._stamps[path] = Stamp.of(os.lstat(target))
        time.sleep(CLOCK_SECONDS)


def _walk(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Everything below a folder, links not followed; folders that can't be listed are opened."""
    pending = [""]
    while pending:
        folder = pending.pop()
        for entry in _entries(root / folder):
            path = f"{folder}/{entry.name}" if folder else entry.name
            try:
                info = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue  # a process that outlived its run removed it
            if stat.S_ISDIR(info.st_mode):
                if info.st_mode & 0o700 != 0o700:
                    Path(entry.path).chmod(0o700)
                pending.append(path)
            yield path, info


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except FileNotFoundError:
        return []


def _remove(path: Path) -> None:
    """Remove whatever stands there, without following a link."""
    try:
        mode = os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return  # went with its folder
    if stat.S_ISDIR(mode):
        path.chmod(0o700)
        remove_tree(path)
    else:
        path.unlink()


def _version(root: Path, path: str) -> Version | None:
    data = read_or_none(root, path)
    if data is None:
        return None
    return Version(data, bool(os.lstat(root / path).st_mode & stat.S_IXUSR))


def _change(path: str, before: Version | None, after: Version | None) -> Change:
    mode = None
    if after is not None and after.executable != bool(before and before.executable):
        mode = 0o755 if after.executable else 0o644
    return Change(path, before and before.data, after and after.data, mode)
