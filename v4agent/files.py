"""Reads and writes files below a root that nobody can trick us out of.

A path is validated as text, then walked component by component with `O_NOFOLLOW`, so that a
symbolic link anywhere on the way, also one made between check and use, is refused. Writes go to a
temporary file in the same folder and are renamed into place; several changes happen all or none.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from v4agent.errors import PathRefused, V4AgentError

MAX_PATH_BYTES = 1024
MAX_NAME_BYTES = 255
MAX_FILES = 200
MAX_FILE_BYTES = 2 * 1024 * 1024

_GIT_NAMES = re.compile(r"\.git( |\.)*$|git~\d+$|\.git::|\.git:", re.IGNORECASE)
_IGNORABLE = dict.fromkeys(c for c in range(0x200B, 0xFF00) if unicodedata.category(chr(c)) == "Cf")
_WINDOWS_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)

_EXECUTED = (
    (re.compile(r"^\.github/(workflows|actions)/"), "a workflow that runs on the host's CI"),
    (re.compile(r"(^|/)\.git(modules|attributes|config|ignore)$"), "git's own configuration"),
    (re.compile(r"^\.(husky|githooks|lefthook)(/|$)|^lefthook\.ya?ml$"), "a git hook"),
    (re.compile(r"^\.pre-commit-(config|hooks)\.yaml$"), "a git hook"),
    (re.compile(r"(^|/)\.(vscode|idea|devcontainer|zed)/"), "an editor's task or setting"),
    (
        re.compile(r"(^|/)\.(claude|codex|cursor|gemini|aider|opencode|continue|v4agent)"),
        "an agent's setting",
    ),
    (
        re.compile(r"(^|/)(\.mcp\.json|opencode\.jsonc?|AGENTS\.md|CLAUDE\.md|GEMINI\.md)$"),
        "an agent's setting",
    ),
    (re.compile(r"(^|/)\.env(rc|\..*)?$"), "an environment that tools load"),
    (re.compile(r"(^|/)\.(bash|zsh)?(rc|profile|_profile|env|login)$"), "a shell's start file"),
    (re.compile(r"^\.(gitlab-ci\.yml|circleci/|travis\.yml|drone\.yml|buildkite/)"), "a CI job"),
    (re.compile(r"(^|/)Jenkinsfile$|(^|/)azure-pipelines\.ya?ml$"), "a CI job"),
    (re.compile(r"(^|/)(sitecustomize|usercustomize)\.py$|\.pth$"), "run at every Python start"),
    (re.compile(r"^v4agent\.toml$"), "v4agent's own setting"),
)


class Change(NamedTuple):
    """One file's change: bytes before (None: absent) and after (None: removed)."""

    path: str
    before: bytes | None
    after: bytes | None
    mode: int | None = None
    """Permission bits of a new file; None keeps those of the file that is replaced."""


def validate_path(path: str) -> PurePosixPath:
    """Check a path that a model or a repository named.

    Raises:
        PathRefused: absolute, leaves the root, touches `.git`, or can't mean one thing everywhere.
    """
    problem = _problem(path)
    if problem:
        raise PathRefused(
            f"path {path[:200]!r} is refused: {problem}",
            hint="paths are relative to the repository's root, with forward slashes",
        )
    return PurePosixPath(path)


def _problem(path: str) -> str | None:
    if not path or not path.strip():
        return "it is empty"
    if any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in path):
        return "it has control or invisible characters"
    if "\\" in path:
        return "it has a backslash"
    if path.startswith(("/", "~")) or re.match(r"[A-Za-z]:", path):
        return "it is absolute"
    if len(path.encode()) > MAX_PATH_BYTES:
        return "it is too long"
    return next((p for name in path.split("/") if (p := _name_problem(name))), None)


def _name_problem(name: str) -> str | None:
    if name in ("", ".", ".."):
        return f"it has a component {name!r}"
    if len(name.encode()) > MAX_NAME_BYTES:
        return "a component is too long"
    folded = unicodedata.normalize("NFKC", name).translate(_IGNORABLE)
    if _GIT_NAMES.match(folded):
        return "it lies in git's own folder"
    if name != name.rstrip(". ") or name != name.lstrip(" "):
        return "a component begins or ends with a space, or ends with a dot"
    if _WINDOWS_RESERVED.match(name) or set(name) & set('<>:"|?*'):
        return "a component has a character or name that some systems reserve"
    return None


def host_executed(path: PurePosixPath) -> str | None:
    """Why a file would run outside of the sandbox later; None for an ordinary file."""
    text = str(path)
    folded = text.casefold()
    for pattern, reason in _EXECUTED:
        if pattern.search(text) or pattern.search(folded):
            return reason
    return None


def read_bytes(root: Path, path: str) -> bytes:
    """Content of a regular file below `root`.

    Raises:
        PathRefused: a link or special file is on the way.
        FileNotFoundError: there is no such file.
    """
    with _parent(root, path, create=False) as (folder, name):
        fd = _open_regular(folder, name, path)
        with os.fdopen(fd, "rb") as handle:
            return handle.read()


def read_text(root: Path, path: str) -> str:
    """Content of a UTF-8 file below `root`.

    Raises:
        PathRefused: a link, a special file, or not UTF-8.
        FileNotFoundError: there is no such file.
    """
    try:
        return read_bytes(root, path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise PathRefused(f"{path} is not UTF-8 text and can't be edited") from error


def write_bytes(root: Path, path: str, data: bytes, *, mode: int | None = None) -> None:
    """Replace or make a file in one step: temporary file, fsync, rename in the same folder.

    A hard link is broken by the rename, never written through. Parents are made.

    Raises:
        PathRefused: a link or special file is on the way or in the place.
        OSError: the disk is full, and the like; the old file still stands.
    """
    with _parent(root, path, create=True) as (folder, name):
        mode = _mode_for(folder, name, path, mode)
        temporary = f".v4agent-{secrets.token_hex(8)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(temporary, flags, 0o600, dir_fd=folder)
        try:
            with os.fdopen(fd, "wb") as handle:
                handle.write(data)
                handle.flush()
                os.fchmod(handle.fileno(), mode)
                os.fsync(handle.fileno())
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=folder)
            raise


def remove(root: Path, path: str) -> None:
    """Remove a regular file below `root`.

    Raises:
        PathRefused: a link or special file is on the way or in the place.
        FileNotFoundError: there is no such file.
    """
    with _parent(root, path, create=False) as (folder, name):
        _kind(folder, name, path)
        os.unlink(name, dir_fd=folder)


def apply_changes(root: Path, changes: Sequence[Change]) -> None:
    """Make all changes or none.

    Every file must still be as `before` says; a failure half-way (full disk, interrupt) puts back
    what was changed.

    Raises:
        V4AgentError: a file is not as `before` says; nothing was changed.
        PathRefused, OSError: nothing stays changed.
    """
    for change in changes:
        _require(root, change)
    done: list[Change] = []
    try:
        for change in changes:
            done.append(change)
            _put(root, change.path, change.after, change.mode)
    except BaseException:
        for change in reversed(done):
            with contextlib.suppress(FileNotFoundError):
                _put(root, change.path, change.before, None)
        raise


def read_or_none(root: Path, path: str) -> bytes | None:
    """Content of a file, or None where there is none."""
    try:
        return read_bytes(root, path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _require(root: Path, change: Change) -> None:
    if read_or_none(root, change.path) != change.before:
        raise V4AgentError(
            f"{change.path} has changed since the run began; nothing was written",
            hint="run again, or take the diff and apply it by hand",
        )


def _put(root: Path, path: str, data: bytes | None, mode: int | None) -> None:
    if data is None:
        remove(root, path)
    elif read_or_none(root, path) != data:
        write_bytes(root, path, data, mode=mode)


@contextlib.contextmanager
def _parent(root: Path, path: str, *, create: bool) -> Iterator[tuple[int, str]]:
    """The open folder that holds `path`, and the last component."""
    parts = validate_path(path).parts
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    folder = os.open(root, flags)
    try:
        for part in parts[:-1]:
            if create:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, 0o755, dir_fd=folder)
            try:
                deeper = os.open(part, flags | os.O_NOFOLLOW, dir_fd=folder)
            except OSError as error:
                if error.errno in (errno.ELOOP, errno.ENOTDIR):
                    raise PathRefused(f"{path}: {part!r} is a link or no folder") from error
                raise
            os.close(folder)
            folder = deeper
        yield folder, parts[-1]
    finally:
        os.close(folder)


def _open_regular(folder: int, name: str, path: str) -> int:
    # O_NONBLOCK: opening a FIFO must not wait for its writer
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        fd = os.open(name, flags, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise PathRefused(f"{path} is a link or a special file") from error
        raise
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise PathRefused(f"{path} is not a regular file")
    return fd


def _kind(folder: int, name: str, path: str) -> int:
    mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    if not stat.S_ISREG(mode):
        raise PathRefused(f"{path} is a link or a special file")
    return mode


def _mode_for(folder: int, name: str, path: str, mode: int | None) -> int:
    try:
        existing = stat.S_IMODE(_kind(folder, name, path))
    except FileNotFoundError:
        return 0o644 if mode is None else mode & 0o777
    return existing if mode is None else mode & 0o777
