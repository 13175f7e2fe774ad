"""Turns the edits of an answer into changes of files: all of them, or an error and none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from v4agent.edits.matching import locate
from v4agent.errors import EditError, PathRefused
from v4agent.files import (
    MAX_FILE_BYTES,
    MAX_FILES,
    Change,
    apply_changes,
    host_executed,
    read_or_none,
    validate_path,
)
from v4agent.types import Edit

BOM = "\ufeff"


def plan(
    edits: Sequence[Edit], read: Callable[[str], bytes | None], *, allow: Sequence[str] = ()
) -> tuple[Change, ...]:
    """Work all edits out in memory, in order; several edits of a file build on each other.

    Args:
        read: content of a path, None where there is no file.
        allow: globs of paths that execute on the host and may be edited all the same.

    Raises:
        EditError: one edit can't be applied, so none is. The text is for the model.
    """
    before: dict[str, bytes | None] = {}
    after: dict[str, bytes | None] = {}
    for edit in edits:
        _check_path(edit.path, allow)
        if edit.path not in before:
            before[edit.path] = after[edit.path] = read(edit.path)
        after[edit.path] = _edited(edit, after[edit.path])
    if len(after) > MAX_FILES:
        raise EditError(f"the answer edits {len(after)} files; {MAX_FILES} is the limit")
    _check_collisions(after)
    return tuple(Change(p, before[p], after[p]) for p in before if before[p] != after[p])


def apply(edits: Sequence[Edit], root: Path, *, allow: Sequence[str] = ()) -> tuple[Change, ...]:
    """Plan and write: all edits or none.

    Raises:
        EditError, OSError: nothing stays changed.
    """
    changes = plan(edits, lambda path: read_or_none(root, path), allow=allow)
    apply_changes(root, changes)
    return changes


def _check_path(path: str, allow: Sequence[str]) -> None:
    reason = host_executed(validate_path(path))
    if reason and not any(fnmatchcase(path, glob) for glob in allow):
        raise PathRefused(
            f"{path} is refused: it is {reason}",
            hint=f"if it really has to change: --allow '{path}'",
        )


def _check_collisions(after: dict[str, bytes | None]) -> None:
    seen: dict[str, str] = {}
    for path in after:
        other = seen.setdefault(path.casefold(), path)
        if other != path:
            raise PathRefused(f"{other} and {path} are one file on some systems")


def _edited(edit: Edit, current: bytes | None) -> bytes | None:
    if edit.replace is None:
        if current is None:
            raise EditError(f"{edit.path} is to be deleted, but there is no such file")
        return None
    if edit.search is None:
        return _encoded(edit.path, _like(edit.replace, _decoded(edit.path, current or b"")))
    if edit.search == "":
        if current and current.strip():
            raise EditError(
                f"{edit.path} exists, so an empty SEARCH is refused: search for the lines to change"
            )
        return _encoded(edit.path, edit.replace)
    if current is None:
        raise EditError(
            f"there is no file {edit.path}: check the path, or make it with an empty SEARCH"
        )
    return _encoded(edit.path, _replaced(edit, _decoded(edit.path, current)))


def _replaced(edit: Edit, text: str) -> str:
    """The text with one place replaced; line endings, final newline and BOM stay as they were."""
    bom = BOM if text.startswith(BOM) else ""
    ending = "\r\n" if "\r\n" in text else "\n"
    body = text.removeprefix(bom)
    lines = _split(body)
    assert edit.search is not None
    assert edit.replace is not None
    plain = "\n".join(line.rstrip("\r\n") for line in lines)
    place = locate(edit.path, plain, edit.search, edit.replace, edit.line)
    new = [line + ending for line in place.replacement]
    at_end = place.end == len(lines)
    if at_end and new and lines and not lines[-1].endswith("\n"):
        new[-1] = new[-1].removesuffix(ending)
    result = lines[: place.start] + new + lines[place.end :]
    return bom + "".join(result)


def _split(text: str) -> list[str]:
    """Lines with their ends, split at newlines only (form feeds and the like are content)."""
    lines = text.split("\n")
    ended = [line + "\n" for line in lines[:-1]]
    return [*ended, lines[-1]] if lines[-1] else ended


def _like(text: str, old: str) -> str:
    """A whole new text with the line endings and BOM of the old one."""
    if "\r\n" in old:
        text = text.replace("\r\n", "\n").replace("\n", "\r\n")
    return (BOM if old.startswith(BOM) else "") + text.removeprefix(BOM)


def _decoded(path: str, data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise EditError(f"{path} is not UTF-8 text and can't be edited") from error


def _encoded(path: str, text: str) -> bytes:
    data = text.encode("utf-8", errors="strict")
    if len(data) > MAX_FILE_BYTES:
        raise EditError(f"{path} would have {len(data):,} bytes; {MAX_FILE_BYTES:,} is the limit")
    return data
