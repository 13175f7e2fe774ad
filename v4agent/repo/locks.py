"""Who may touch what: folders that outlive no run, one writer per repository, git's own locks."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from v4agent.errors import RepositoryError

LOCK_SECONDS = 10
UNLOCKED_SECONDS = 3600
"""A leased folder without a lock this old was left by a run that died while making it."""


class Lease:
    """A private folder that a run holds a lock in; the system frees the lock when the run dies."""

    def __init__(self, parent: Path, prefix: str) -> None:
        """Make a folder `<parent>/<prefix>XXXX`, and remove those of runs that died."""
        parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        remove_abandoned(parent, prefix)
        while True:
            self.folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
            self._lock = FileLock(self.folder / "lock", thread_local=False)
            with contextlib.suppress(Timeout):  # a cleaner was faster: take another folder
                self._lock.acquire(timeout=0)
                break

    def release(self) -> None:
        """Remove the folder and all that is in it."""
        remove_tree(self.folder)
        self._lock.release()


def remove_abandoned(parent: Path, prefix: str) -> None:
    """Remove leased folders of runs that died. Folders of other users are not touched."""
    for folder in parent.glob(f"{prefix}*"):
        with contextlib.suppress(OSError):
            info = os.lstat(folder)
            if stat.S_ISDIR(info.st_mode) and info.st_uid == os.geteuid():
                _remove_if_abandoned(folder, info.st_mtime)


def _remove_if_abandoned(folder: Path, made: float) -> None:
    path = folder / "lock"
    if not path.is_file():
        if time.time() - made > UNLOCKED_SECONDS:
            remove_tree(folder)
        return
    lock = FileLock(path)
    with contextlib.suppress(Timeout):
        lock.acquire(timeout=0)
        remove_tree(folder)
        lock.release()


def remove_tree(folder: Path) -> None:
    """Remove a folder, also one in which tests left folders that can't be listed."""
    if not folder.is_dir():
        return
    for parent, names, _ in os.walk(folder):  # top-down: opened before it is entered
        for name in names:
            path = Path(parent) / name
            with contextlib.suppress(OSError):
                if not path.is_symlink():
                    path.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def writer(repository: Path, state_dir: Path | None) -> Iterator[None]:
    """Only one run changes a repository at a time.

    Args:
        repository: any path that stands for it.
        state_dir: where locks lie; None takes a private folder below the system's temporary one.

    Raises:
        RepositoryError: another run holds the lock.
    """
    folder = state_dir / "locks" if state_dir else _own_folder()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    name = hashlib.sha256(os.fsencode(repository)).hexdigest()[:32]
    lock = FileLock(folder / f"{name}.lock")
    try:
        lock.acquire(timeout=LOCK_SECONDS)
    except Timeout as error:
        raise RepositoryError(
            "another run of v4agent is changing this repository; nothing was changed",
            hint="wait for it to end, and try again",
        ) from error
    try:
        yield
    finally:
        lock.release()


def _own_folder() -> Path:
    folder = Path(tempfile.gettempdir()) / f"v4agent-{os.geteuid()}"
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    info = os.lstat(folder)
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.geteuid():
        raise RepositoryError(f"{folder} is not a folder of yours", hint=f"remove {folder}")
    return folder


class GitLock:
    """git's own protocol: `<file>.lock`, made exclusively, then renamed over the file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = path.with_name(path.name + ".lock")
        self._held = False

    def __enter__(self) -> GitLock:
        try:
            fd = os.open(self._lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644)
        except FileExistsError as error:
            raise RepositoryError(
                f"{self._lock.name} exists: another git process works here; nothing was changed",
                hint=f"when no git process runs any more, remove {self._lock}",
            ) from error
        os.close(fd)
        self._held = True
        return self

    def write(self, data: bytes) -> None:
        """Fill the lock file with the new content; `commit` puts it in place."""
        mode = stat.S_IMODE(self._path.stat().st_mode) if self._path.exists() else 0o644
        with self._lock.open("wb") as handle:
            handle.write(data)
            handle.flush()
            os.fchmod(handle.fileno(), mode)
            os.fsync(handle.fileno())

    def commit(self) -> None:
        """Put the new content in place of the old, in one step."""
        self._lock.replace(self._path)
        self._held = False  # a lock file that appears from here on is another process's

    def __exit__(self, *_: object) -> None:
        if self._held:
            self._lock.unlink(missing_ok=True)


def write_once(path: Path, data: bytes, mode: int) -> None:
    """Write a file that nobody sees half-written; one that is there already stays."""
    temporary = path.with_name(f"tmp_obj_{secrets.token_hex(8)}")
    fd = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(fd, "wb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
