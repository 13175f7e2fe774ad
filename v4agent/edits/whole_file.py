"""Whole files: a path line, then a fenced block with the complete new content."""

from __future__ import annotations

import re

from v4agent.edits.base import clean_path
from v4agent.errors import EditError, NoEdits
from v4agent.types import Edit

_OPEN = re.compile(r"^\s{0,3}(`{3,}|~{3,})\s*([^`]*)$")
_ELLIPSIS = re.compile(
    r"^\s*(?:#|//|/\*|--|<!--)?\s*(?:\.\.\.|…)\s*"
    r"(?:\(?(?:rest|remaining|existing|other|previous|unchanged|same|code|omitted)\b.*)?$"
    r"|^\s*(?:#|//|/\*|--|<!--)\s*(?:rest of|remaining|existing code|unchanged|other code)\b.*$",
    re.IGNORECASE,
)


def elides(text: str) -> str | None:
    """The first line that stands for code left out (`# ... rest unchanged`); None without one.

    A bare `...` counts only as a comment: it is ordinary Python on its own.
    """
    for line in text.splitlines():
        if _ELLIPSIS.match(line) and line.strip() not in ("...", "…"):
            return line.strip()
    return None


class WholeFile:
    """Parses whole files."""

    name = "whole_file"
    instructions = "edit_whole_file.jinja"

    def parse(self, answer: str) -> tuple[Edit, ...]:
        """Read each path and fenced block. A longer fence may hold shorter ones.

        Raises:
            NoEdits: no fenced block has a path above it.
            EditError: a block is cut off, or leaves code out.
        """
        lines = answer.replace("\r\n", "\n").split("\n")
        edits: dict[str, Edit] = {}
        number = 0
        while number < len(lines):
            opened = _OPEN.match(lines[number])
            if not opened:
                number += 1
                continue
            end = _closing(lines, number, opened[1])
            path = _path(lines, number, opened[2])
            if path is not None:
                if end is None:
                    raise EditError(
                        f"the block for {path} is cut off: its closing fence is missing"
                    )
                edits[path] = _edit(path, lines[number + 1 : end])
            number = (end if end is not None else len(lines)) + 1
        if not edits:
            raise NoEdits(
                "the answer has no whole file. Write the path on a line of its own, then a fenced"
                " block with the complete new content"
            )
        return tuple(edits.values())


def _edit(path: str, lines: list[str]) -> Edit:
    text = "".join(line + "\n" for line in lines)
    left_out = elides(text)
    if left_out:
        raise EditError(
            f"the new content of {path} leaves code out ({left_out!r}): give the complete file"
        )
    return Edit(path=path, search=None, replace=text)


def _closing(lines: list[str], start: int, fence: str) -> int | None:
    pattern = re.compile(rf"^\s{{0,3}}{re.escape(fence[0])}{{{len(fence)},}}\s*$")
    return next((n for n in range(start + 1, len(lines)) if pattern.match(lines[n])), None)


def _path(lines: list[str], fence: int, info: str) -> str | None:
    for word in info.split():
        named = clean_path(word.partition("=")[2] if "=" in word else word)
        if named and ("/" in named or "." in named):
            return named
    for number in range(fence - 1, max(fence - 3, -1), -1):
        if lines[number].strip():
            named = clean_path(lines[number])
            return named if named and ("/" in named or "." in named) else None
    return None
