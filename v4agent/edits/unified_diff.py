"""Unified diffs as models write them: line numbers and counts are hints, the text decides.

Each hunk becomes a search/replace edit with a line hint. Format: GNU diffutils, "Detailed
Description of Unified Format", and git-diff(1) for the extended headers.
"""

from __future__ import annotations

import re

from v4agent.errors import EditError, NoEdits
from v4agent.types import Edit

_HUNK = re.compile(r"^@@+(?:\s*-(\d+)(?:,\d+)?\s+\+\d+(?:,\d+)?)?\s*@@+")
_REFUSED = re.compile(r"^(GIT binary patch|Binary files |rename (from|to) |copy (from|to) )")


class UnifiedDiff:
    """Parses unified diffs."""

    name = "unified_diff"
    instructions = "edit_unified_diff.jinja"

    def parse(self, answer: str) -> tuple[Edit, ...]:
        """Read all files and hunks.

        Raises:
            NoEdits: there is no diff.
            EditError: a binary patch, a rename, or a hunk without change or file.
        """
        edits: list[Edit] = []
        old = new = ""
        lines = answer.replace("\r\n", "\n").split("\n")
        number = 0
        while number < len(lines):
            line = lines[number]
            if _REFUSED.match(line):
                raise EditError(f"{line.split(' ')[0]} patches are not supported: {line[:80]}")
            if _begins_file(lines, number):
                old, new = _name(line, "a/"), _name(lines[number + 1], "b/")
                number += 2
                if new == "/dev/null":
                    edits.append(Edit(path=old, search=None, replace=None))
                continue
            hunk = _HUNK.match(line)
            if hunk and (old or new):
                body, number = _body(lines, number + 1)
                if new != "/dev/null":
                    edits.append(_edit(old, new, body, int(hunk[1]) if hunk[1] else None))
                continue
            number += 1
        if not edits:
            raise NoEdits("the answer has no unified diff (---, +++ and @@ lines)")
        return tuple(edits)


def _begins_file(lines: list[str], number: int) -> bool:
    following = lines[number + 1 : number + 2]
    return lines[number].startswith("--- ") and bool(following) and following[0].startswith("+++ ")


def _name(line: str, prefix: str) -> str:
    name = line[4:].split("\t")[0].strip().strip('"')
    return name.removeprefix(prefix) if name != "/dev/null" else name


def _body(lines: list[str], start: int) -> tuple[list[str], int]:
    body: list[str] = []
    number = start
    while number < len(lines):
        line = lines[number]
        if _HUNK.match(line) or line.startswith(("diff --git ", "```", "~~~")):
            break
        if _begins_file(lines, number):
            break
        if line[:1] in ("+", "-", " ", "\\"):
            body.append(line)
        elif line == "":
            body.append(" ")  # models drop the blank of an empty context line
        else:
            break
        number += 1
    while body and body[-1] == " ":
        body.pop()
    return body, number


def _edit(old: str, new: str, body: list[str], line: int | None) -> Edit:
    before = "".join(x[1:] + "\n" for x in body if x[:1] in (" ", "-"))
    after = "".join(x[1:] + "\n" for x in body if x[:1] in (" ", "+"))
    if old == "/dev/null":
        return Edit(path=new, search="", replace=after)
    if before == after:
        raise EditError(f"a hunk of {new} changes nothing")
    if not before:
        raise EditError(f"a hunk of {new} has no context: give at least one line around it")
    if old not in (new, ""):
        raise EditError(f"renames are not supported: {old} -> {new}")
    return Edit(path=new, search=before, replace=after, line=line)
