"""Copies a working tree's files: regular files and links that stay inside, nothing else."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

from v4agent.errors import RepositoryError
from v4agent.repo.listing import Listing, shown

CARRIED_BYTES = 50 * 1024 * 1024
MAX_BYTES = 4 * 1024**3
MAX_FILES = 300_000
CHUNK = 16 * 1024 * 1024

Progress = Callable[[int, int], None]
"""Called with files done and files in all."""


def copy_tree(
    source: Path, listing: Listing, target: Path, progress: Progress | None = None
) -> dict[str, str]:
    """Copy a listed working tree into a new folder; returns path -> why it was left out.

    Raises:
        RepositoryError: the tree is larger than we copy, or the disk is full.
    """
    carried, left_out = _within_cap(source, listing.carried)
    paths = [*listing.files, *listing.odd, *carried]
    _require_room(source, paths, target)
    target.mkdir(mode=0o700)
    made = {target}
    for done, path in enumerate(paths):
        place = target / path
        if place.parent not in made:
            place.parent.mkdir(parents=True, exist_ok=True)
            made.add(place.parent)
        try:
            copy_file(source / path, place)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise RepositoryError(f"no room for a copy of the tree in {target}") from error
            left_out[shown(path)] = f"can't be read: {error.strerror}"
        if progress is not None and done % 500 == 0:
            progress(done, len(paths))
    return left_out | _copy_links(source, listing.links, target)


def copy_file(source: Path, target: Path) -> None:
    """Copy a regular file to a new one, with its permission bits and time.

    Raises:
        OSError: it can't be read, is no regular file, or `target` exists.
    """
    # the file may have been replaced by a link or a FIFO since it was listed
    reader = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        info = os.fstat(reader)
        if not stat.S_ISREG(info.st_mode):
            raise OSError(errno.EINVAL, "is no regular file any more", str(source))
        writer = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            _copy_content(reader, writer)
            os.fchmod(writer, stat.S_IMODE(info.st_mode) & 0o777 | stat.S_IRUSR)
            os.utime(writer, ns=(info.st_atime_ns, info.st_mtime_ns))
        finally:
            os.close(writer)
    finally:
        os.close(reader)


def _copy_content(reader: int, writer: int) -> None:
    """Through `copy_file_range` where it works: that shares blocks on file systems that can."""
    try:
        while os.copy_file_range(reader, writer, CHUNK):
            pass
    except (OSError, AttributeError) as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
    # continues where the loop ended; also for files (of /proc, of FUSE) that claim to be empty
    while chunk := os.read(reader, 1024 * 1024):
        while chunk:
            chunk = chunk[os.write(writer, chunk) :]


def _copy_links(source: Path, links: tuple[str, ...], target: Path) -> dict[str, str]:
    made, left_out = [], {}
    for link in links:
        try:
            text = (source / link).readlink()
        except OSError:
            continue
        if text.is_absolute():
            left_out[shown(link)] = "a link to an absolute path"
            continue
        (target / link).parent.mkdir(parents=True, exist_ok=True)
        (target / link).symlink_to(text)
        made.append(link)
    for link in made:  # only now: where a link leads depends on the other links
        real = os.path.realpath(target / link)
        if not Path(real).is_relative_to(os.path.realpath(target)):
            (target / link).unlink()
            left_out[shown(link)] = "a link out of the working tree"
    return left_out


def _within_cap(source: Path, carried: tuple[str, ...]) -> tuple[list[str], dict[str, str]]:
    kept, left_out, left = [], {}, CARRIED_BYTES
    for path in carried:
        size = _size(source / path)
        if size <= left:
            kept.append(path)
            left -= size
        else:
            left_out[shown(path)] = f"build files above {CARRIED_BYTES >> 20} MB"
    return kept, left_out


def _require_room(source: Path, paths: list[str], target: Path) -> None:
    if len(paths) > MAX_FILES:
        raise RepositoryError(
            f"the working tree has {len(paths)} files; more than {MAX_FILES} are not copied",
            hint="put generated folders on the ignore list",
        )
    total = sum(_size(source / path) for path in paths)
    if total > MAX_BYTES:
        raise RepositoryError(
            f"the working tree has {total / 1024**3:.1f} GiB; above {MAX_BYTES >> 30} GiB it is"
            " not copied",
            hint="put large data files on the ignore list",
        )
    free = shutil.disk_usage(target.parent).free
    if 2 * total > free:  # the copy and its twin
        raise RepositoryError(
            f"two copies of the working tree need {2 * total >> 20} MB, {target.parent} has"
            f" {free >> 20} MB",
            hint="free some room, or set V4AGENT_STATE_DIR to a larger disk",
        )


def _size(path: Path) -> int:
    with contextlib.suppress(OSError):
        return os.lstat(path).st_size
    return 0
