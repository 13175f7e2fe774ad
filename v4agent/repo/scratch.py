"""A private copy of a working tree, in which edits are tried and tests run."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from v4agent.errors import RepositoryError
from v4agent.files import read_or_none

CARRIED = ("*.so", "*.pyd", "_version.py", "version.py")
"""Ignored files that builds leave in the tree and imports need."""
CARRIED_FOLDERS = "*.egg-info"
CARRIED_BYTES = 50 * 1024 * 1024


class Scratch:
    """A copy of a working tree with a pristine twin, from which it is put back."""

    def __init__(self, root: Path, base: Path) -> None:
        self.root = root
        """The copy that tests run in; anything may happen to it."""
        self._base = base

    @classmethod
    def copy(
        cls, source: Path, files: Sequence[str], links: Sequence[str], target: Path
    ) -> Scratch:
        """Copy files, and the links that stay inside the tree."""
        base = target.with_name("base")
        base.mkdir(mode=0o700)
        for path in files:
            _copy_file(source / path, base / path)
        for link in links:
            _copy_link(source, link, base)
        _carry(source, base, frozenset(files))
        scratch = cls(target, base)
        scratch.reset()
        return scratch

    def read(self, path: str) -> bytes | None:
        """Content of a file before any change; None where there is none."""
        return read_or_none(self._base, path)

    def clone(self, target: Path) -> None:
        """Copy the tree as it was before any change to another folder."""
        shutil.copytree(self._base, target, symlinks=True)

    def reset(self) -> None:
        """Make the copy anew from its twin: whatever tests wrote is gone."""
        if self.root.exists():
            make_writable(self.root)
            shutil.rmtree(self.root)
        shutil.copytree(self._base, self.root, symlinks=True)


def _copy_file(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    # the file may have been replaced by a link since it was listed
    fd = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(fd, "rb") as reader:
        info = os.fstat(reader.fileno())
        if not stat.S_ISREG(info.st_mode):
            raise RepositoryError(f"{source} is no regular file any more")
        with target.open("wb") as writer:
            shutil.copyfileobj(reader, writer, 1024 * 1024)
    target.chmod(0o755 if info.st_mode & stat.S_IXUSR else 0o644)


def _copy_link(source: Path, link: str, base: Path) -> None:
    """A relative link whose target lies inside the tree; others are left out."""
    text = str((source / link).readlink())
    joined = os.path.normpath(os.path.join(os.path.dirname(link), text))  # noqa: PTH118, PTH120
    if os.path.isabs(text) or joined.startswith(".."):  # noqa: PTH117
        return
    (base / link).parent.mkdir(parents=True, exist_ok=True)
    (base / link).symlink_to(text)


def _carry(source: Path, base: Path, known: frozenset[str]) -> None:
    left = CARRIED_BYTES
    folders = {Path(f).parts[0] for f in known if "/" in f}
    for top in sorted(folders):
        for pattern in CARRIED:
            for found in sorted((source / top).rglob(pattern)):
                path = found.relative_to(source).as_posix()
                if path in known or found.is_symlink() or not found.is_file():
                    continue
                left -= found.stat().st_size
                if left < 0:
                    return
                _copy_file(found, base / path)
    for info in (*source.glob(CARRIED_FOLDERS), *source.glob(f"src/{CARRIED_FOLDERS}")):
        if info.is_dir() and not info.is_symlink():
            for found in info.iterdir():
                if found.is_file() and not found.is_symlink():
                    _copy_file(found, base / found.relative_to(source))


def make_writable(folder: Path) -> None:
    """Tests may leave folders that can't be listed or emptied."""
    for parent, names, _ in os.walk(folder):
        for name in names:
            path = Path(parent) / name
            if not path.is_symlink():
                with contextlib.suppress(OSError):
                    path.chmod(0o700)


@contextmanager
def cleaned(parent: Path) -> Iterator[Path]:
    """A private folder below `parent`, removed at the end; also removes those of killed runs."""
    parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    _remove_abandoned(parent)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=parent))
    lock = FileLock(folder.with_suffix(".lock"))
    with lock:
        try:
            yield folder
        finally:
            make_writable(folder)
            shutil.rmtree(folder, ignore_errors=True)
            folder.with_suffix(".lock").unlink(missing_ok=True)


def _remove_abandoned(parent: Path) -> None:
    """A run holds the lock beside its folder; a lock that can be had belongs to a dead one."""
    for folder in parent.glob("run-*"):
        lock_file = folder.with_suffix(".lock")
        if not folder.is_dir() or not lock_file.exists():
            continue
        with contextlib.suppress(Timeout), FileLock(lock_file, timeout=0):
            make_writable(folder)
            shutil.rmtree(folder, ignore_errors=True)
            lock_file.unlink(missing_ok=True)
