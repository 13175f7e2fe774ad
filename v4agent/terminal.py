"""Makes untrusted text fit to be printed or quoted."""

from __future__ import annotations

import re

_SEQUENCES = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC: titles, links, clipboard
    r"|\x1b[P^_X][^\x1b]*(?:\x1b\\)?"  # DCS, PM, APC, SOS
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI: colours, cursor
    r"|\x1b[@-Z\\-_]?"
)
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff]"
)


def sanitize(text: str) -> str:
    """Strip what a terminal would obey: escape sequences, controls (but newline and tab), bidi
    and zero-width characters, lone surrogates. Carriage returns become newlines.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROLS.sub("", _SEQUENCES.sub("", text))


def cap(text: str, head: int, tail: int) -> str:
    """Head and tail of a text, in characters, cut at line ends, with a mark of what was cut."""
    if len(text) <= head + tail:
        return text
    start = text[:head]
    end = text[-tail:] if tail else ""
    start = start[: start.rfind("\n") + 1] or start
    end = end[end.find("\n") + 1 :] or end
    cut = len(text) - len(start) - len(end)
    return f"{start}[... {cut:,} characters cut ...]\n{end}"
