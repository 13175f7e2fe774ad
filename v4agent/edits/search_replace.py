"""Search/replace blocks: the default edit format (the form that Aider made common).

path/to/file.py
```python
<<<<<<< SEARCH
lines as they are
=======
lines as they should be
>>>>>>> REPLACE
```
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from v4agent.edits.base import clean_path
from v4agent.errors import EditError, NoEdits
from v4agent.types import Edit

_HEAD = re.compile(r"^\s{0,3}<{5,9}\s*SEARCH\b.*$")
_DIVIDER = re.compile(r"^\s{0,3}={5,9}\s*$")
_TAIL = re.compile(r"^\s{0,3}>{5,9}\s*REPLACE\b.*$")
_FENCE = re.compile(r"^\s{0,3}(`{3,}|~{3,})")


@dataclass
class _Block:
    path: str
    line: int
    search: list[str] = field(default_factory=list)
    replace: list[str] = field(default_factory=list)
    in_replace: bool = False


class SearchReplace:
    """Parses search/replace blocks."""

    name = "search_replace"
    instructions = "edit_search_replace.jinja"

    def parse(self, answer: str) -> tuple[Edit, ...]:
        """Read all blocks. An empty SEARCH makes a new file; an empty REPLACE removes lines.

        Raises:
            NoEdits: the answer has no block.
            EditError: a block has no path, or is cut off.
        """
        lines = answer.replace("\r\n", "\n").split("\n")
        edits: list[Edit] = []
        block: _Block | None = None
        path: str | None = None
        for number, line in enumerate(lines):
            if block is None:
                if _HEAD.match(line):
                    path = _path_above(lines, number) or path
                    block = _Block(_require(path, number), number + 1)
                continue
            if not block.in_replace and _DIVIDER.match(line):
                block.in_replace = True
            elif block.in_replace and _TAIL.match(line):
                edits.append(_edit(block))
                block = None
            elif _HEAD.match(line):
                raise _cut_off(block)
            else:
                (block.replace if block.in_replace else block.search).append(line)
        if block is not None:
            raise _cut_off(block)
        if not edits:
            raise NoEdits(
                "the answer has no SEARCH/REPLACE block. Write the path on a line of its own, then"
                " a fenced block with <<<<<<< SEARCH, =======, >>>>>>> REPLACE"
            )
        return tuple(edits)


def _edit(block: _Block) -> Edit:
    if not any(line.strip() for line in block.search):
        return Edit(path=block.path, search="", replace=_joined(block.replace))
    return Edit(path=block.path, search=_joined(block.search), replace=_joined(block.replace))


def _joined(lines: list[str]) -> str:
    return "".join(line + "\n" for line in lines)


def _path_above(lines: list[str], head: int) -> str | None:
    """The nearest line above a block that names a file; blank lines and fences are passed over."""
    for number in range(head - 1, max(head - 5, -1), -1):
        line = lines[number]
        if not line.strip():
            continue
        fence = _FENCE.match(line)
        if fence:
            named = clean_path(line.strip().lstrip("`~"))
            if named and ("/" in named or "." in named):
                return named
            continue
        if _TAIL.match(line):
            return None
        return clean_path(line)
    return None


def _require(path: str | None, number: int) -> str:
    if path is None:
        raise EditError(
            f"the block at line {number + 1} of the answer has no path: write the file's path on"
            " the line above the fence"
        )
    return path


def _cut_off(block: _Block) -> EditError:
    missing = ">>>>>>> REPLACE" if block.in_replace else "======="
    return EditError(
        f"the block for {block.path} (line {block.line} of the answer) is cut off: {missing} is"
        " missing. Nothing of the answer was used"
    )
