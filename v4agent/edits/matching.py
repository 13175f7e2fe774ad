"""Finds the one place that a search text means: exactly, then with tolerance, never ambiguously."""

from __future__ import annotations

import difflib
from typing import NamedTuple

from v4agent.edits.whole_file import elides
from v4agent.errors import EditAmbiguous, EditError, EditNotFound

NEAREST_LINES = 12
HINT_DISTANCE = 3
"""Lines by which a diff's line number may be off and still tell equal places apart."""


class Place(NamedTuple):
    """Lines `start` up to `end` (0-based, end excluded) and the text that goes there."""

    start: int
    end: int
    replacement: list[str]


def locate(path: str, text: str, search: str, replace: str, line: int | None = None) -> Place:
    """The place of `search` in `text`.

    Args:
        path: for the error texts.
        line: 1-based line where the answer says that it stands; only tells equal places apart.

    Raises:
        EditNotFound: nowhere; the text shows the nearest lines.
        EditAmbiguous: in more than one place; the text lists them.
    """
    have = text.split("\n")
    want, new = _lines(search), _lines(replace)
    for match in (_exact, _trailing, _indented):
        places = match(have, want, new)
        if not places:
            continue
        if len(places) > 1 and line is not None:
            near = [p for p in places if abs(p.start + 1 - line) <= HINT_DISTANCE]
            places = near if len(near) == 1 else places
        if len(places) > 1:
            raise _ambiguous(path, places)
        return places[0]
    raise _not_found(path, have, want, new)


def _lines(text: str) -> list[str]:
    """Lines without their ends, split at newlines only."""
    return text.removesuffix("\n").split("\n") if text else []


def _windows(have: list[str], want: list[str]) -> range:
    return range(len(have) - len(want) + 1) if want else range(0)


def _exact(have: list[str], want: list[str], new: list[str]) -> list[Place]:
    size = len(want)
    return [Place(n, n + size, new) for n in _windows(have, want) if have[n : n + size] == want]


def _trailing(have: list[str], want: list[str], new: list[str]) -> list[Place]:
    """Blanks at line ends, and blank lines around the search text, do not count."""
    bare = [line.rstrip() for line in have]
    wanted = [line.rstrip() for line in want]
    while wanted and not wanted[0]:
        wanted, new = wanted[1:], new[1:] if new and not new[0].strip() else new
    while wanted and not wanted[-1]:
        wanted, new = wanted[:-1], new[:-1] if new and not new[-1].strip() else new
    return _exact(bare, wanted, new)


def _indented(have: list[str], want: list[str], new: list[str]) -> list[Place]:
    """The whole block may be indented otherwise, by the same amount on every line."""
    size = len(want)
    stripped = [line.strip() for line in want]
    if not any(stripped):
        return []
    places = []
    for n in _windows(have, want):
        window = have[n : n + size]
        if [line.strip() for line in window] != stripped:
            continue
        shifted = _shift(window, want, new)
        if shifted is not None:
            places.append(Place(n, n + size, shifted))
    return places


def _shift(window: list[str], want: list[str], new: list[str]) -> list[str] | None:
    """`new` with the indentation by which `window` differs from `want`; None if it varies."""
    pairs = {(_indent(w), _indent(h)) for w, h in zip(want, window, strict=True) if w.strip()}
    added = {h.removesuffix(w) for w, h in pairs if h.endswith(w)}
    if len(added) == 1 and all(h.endswith(w) for w, h in pairs):
        prefix = added.pop()
        return [prefix + line if line.strip() else line for line in new]
    removed = {w.removesuffix(h) for w, h in pairs if w.endswith(h)}
    if len(removed) == 1 and all(w.endswith(h) for w, h in pairs):
        prefix = removed.pop()
        if all(line.startswith(prefix) for line in new if line.strip()):
            return [line.removeprefix(prefix) for line in new]
        return None
    mapping = dict(pairs)
    if len(mapping) == len(pairs) and all(_indent(x) in mapping for x in new if x.strip()):
        return [mapping[_indent(x)] + x.lstrip() if x.strip() else x for x in new]
    return None


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _ambiguous(path: str, places: list[Place]) -> EditAmbiguous:
    lines = ", ".join(str(p.start + 1) for p in places[:10])
    return EditAmbiguous(
        f"the SEARCH text stands in {path} {len(places)} times (lines {lines}): add lines around"
        " it until it is unique"
    )


def _not_found(path: str, have: list[str], want: list[str], new: list[str]) -> EditError:
    left_out = elides("\n".join(want)) or next((x for x in want if x.strip() == "..."), None)
    if left_out and left_out not in (x.strip() for x in have):
        return EditNotFound(
            f"the SEARCH text for {path} leaves lines out ({left_out!r}): it must be complete"
        )
    if new and _exact(have, new, []):
        return EditNotFound(
            f"the SEARCH text is not in {path}, but the REPLACE text already is: is it done?"
        )
    near = _nearest(have, want)
    shown = "\n".join(f"{n + 1}| {have[n]}" for n in near)
    return EditNotFound(
        f"the SEARCH text is not in {path}. It must match the file line by line."
        + (f" The nearest lines are:\n{shown}" if shown else " The file is empty.")
    )


def _nearest(have: list[str], want: list[str]) -> range:
    """The window of the file that is most like the search text."""
    anchors = [line.strip() for line in want if line.strip()]
    if not have or not anchors:
        return range(min(len(have), NEAREST_LINES))
    stripped = [line.strip() for line in have]
    close = difflib.get_close_matches(anchors[0], stripped, n=5, cutoff=0.5)
    starts = [n for n, line in enumerate(stripped) if line in close][:50] or [0]
    size = len(want)
    joined = "\n".join(anchors)

    def likeness(start: int) -> float:
        window = "\n".join(stripped[start : start + size])
        return difflib.SequenceMatcher(None, joined, window, autojunk=False).quick_ratio()

    best = max(starts, key=likeness)
    return range(max(best - 2, 0), min(best + min(size, NEAREST_LINES) + 2, len(have)))
