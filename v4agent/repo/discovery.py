"""Finds the repository that a folder lies in, without trusting anything that stands there."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import NamedTuple

from v4agent.errors import RepositoryError
from v4agent.repo.git import READ_TIMEOUT_SECONDS, binary, git, setting

POINTER_BYTES = 64 * 1024
"""`.git` files and `commondir` are one line; more is not read."""


class Location(NamedTuple):
    """Where a repository is."""

    root: Path
    """Top of the working tree."""
    git_dir: Path
    """The user's git directory; of this worktree, where there are several."""
    common_dir: Path
    """Where objects and branches are; `git_dir`, but for linked worktrees."""


def locate(path: Path) -> Location:
    """Find the working tree and git directory for a folder, as git does.

    Raises:
        RepositoryError: not a folder, not in a repository, bare, somebody else's, or broken.
    """
    binary()
    if not path.is_dir():
        raise RepositoryError(f"{path} is not a folder")
    marker = _marker(path.resolve())
    if marker is None:
        raise RepositoryError(
            f"{path} is not in a git repository", hint="run `git init` and commit, or use -C DIR"
        )
    git_dir = _git_dir(marker)
    if not (git_dir / "HEAD").is_file():
        raise RepositoryError(f"{marker} is not a git directory: it has no HEAD")
    location = Location(marker.parent, git_dir, _common_dir(git_dir))
    if not (location.common_dir / "objects").is_dir():
        raise RepositoryError(f"{marker} is not a git directory: it has no objects")
    _require_owner(location, marker)
    _require_work_tree(location)
    return location


def head_of(location: Location) -> str:
    """Commit id of HEAD.

    Raises:
        RepositoryError: there is no commit, or the repository can't be read.
    """
    # not HEAD^{commit}: looking at the object could fetch it, from where the repository says
    found = git("rev-parse", "--verify", "--quiet", "HEAD", git_dir=location.git_dir,
                accept=(0, 1), timeout=READ_TIMEOUT_SECONDS)  # fmt: skip
    head = found.decode("ascii", errors="replace").strip()
    if not head:
        raise RepositoryError(
            f"the repository at {location.root} has no commit", hint="commit something first"
        )
    return head


def branch_of(location: Location) -> str | None:
    """Name of the branch that HEAD is on; None when HEAD is detached."""
    found = git("rev-parse", "--symbolic-full-name", "HEAD", git_dir=location.git_dir,
                timeout=READ_TIMEOUT_SECONDS)  # fmt: skip
    name = found.decode("utf-8", errors="replace").strip()
    return name.removeprefix("refs/heads/") if name.startswith("refs/heads/") else None


def _marker(path: Path) -> Path | None:
    """The nearest `.git` at or above a folder."""
    for folder in (path, *path.parents):
        marker = folder / ".git"
        if marker.is_file() or (marker / "HEAD").is_file():
            return marker
        if (folder / "HEAD").is_file() and (folder / "objects").is_dir():
            if folder.name == ".git":
                raise RepositoryError(f"{path} is git's own folder", hint=f"use {folder.parent}")
            raise RepositoryError(
                f"{folder} is a bare repository", hint="clone it, and run in the clone"
            )
        if marker.exists():
            raise RepositoryError(f"{marker} is not a git directory: it has no HEAD")
    return None


def _git_dir(marker: Path) -> Path:
    if marker.is_dir():
        return marker.resolve()
    text = _pointer(marker)
    if not text.startswith("gitdir: "):
        raise RepositoryError(f"{marker} does not name a git directory")
    return (marker.parent / text.removeprefix("gitdir: ")).resolve()


def _common_dir(git_dir: Path) -> Path:
    pointer = git_dir / "commondir"
    return (git_dir / _pointer(pointer)).resolve() if pointer.is_file() else git_dir


def _pointer(path: Path) -> str:
    try:
        with path.open("rb") as handle:
            text = os.fsdecode(handle.read(POINTER_BYTES)).rstrip("\r\n")
    except OSError as error:
        raise RepositoryError(f"{path} can't be read: {error.strerror}") from error
    if "\0" in text or "\n" in text:
        raise RepositoryError(f"{path} does not name a folder")
    return text


def _require_owner(location: Location, marker: Path) -> None:
    """git's own rule: a repository of somebody else must be named in `safe.directory`."""
    allowed = {os.geteuid()}
    if os.geteuid() == 0 and os.environ.get("SUDO_UID", "").isdigit():
        allowed.add(int(os.environ["SUDO_UID"]))
    owners = {os.lstat(p).st_uid for p in (marker, location.git_dir, location.common_dir)}
    if owners <= allowed or _declared_safe(location.root):
        return
    raise RepositoryError(
        f"the repository at {location.root} belongs to another user",
        hint=f"if you trust it: git config --global --add safe.directory {location.root}",
    )


def _declared_safe(root: Path) -> bool:
    safe = False
    for value in setting("safe.directory", None):
        if value == "":
            safe = False  # an empty entry clears those before it
        else:
            below = value.endswith("/*") and root.is_relative_to(value[:-2])
            safe = safe or below or value == "*" or os.path.realpath(value) == str(root)
    return safe


def _require_work_tree(location: Location) -> None:
    if location.git_dir != location.common_dir:
        return  # of a linked worktree git ignores both settings
    bare = setting("core.bare", location.git_dir)
    if bare and bare[-1].lower() in ("true", "yes", "on", "1"):
        raise RepositoryError(
            f"{location.git_dir} is a bare repository", hint="clone it, and run in the clone"
        )
    elsewhere = setting("core.worktree", location.git_dir)
    if elsewhere and (location.git_dir / elsewhere[-1]).resolve() != location.root:
        raise RepositoryError(
            f"core.worktree of {location.git_dir} names another folder: {elsewhere[-1]}",
            hint="unset core.worktree, or run in the folder that it names",
        )


def is_regular(path: Path) -> bool:
    """True for a regular file that is no link."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False
