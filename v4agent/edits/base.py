"""What an edit format is."""

from __future__ import annotations

import re
from typing import Protocol

from v4agent.types import Edit


class EditFormat(Protocol):
    """One way of writing edits in an answer. A new format is one file and one registration."""

    name: str
    instructions: str
    """Template in `prompts/` that explains the format to the model."""

    def parse(self, answer: str) -> tuple[Edit, ...]:
        """Read the edits of an answer.

        Raises:
            NoEdits: there is none in this format.
            EditError: one is malformed or cut off. The text is for the model.
        """
        ...


_DECORATION = re.compile(r"^(?:[-*+]\s+|#+\s+|//\s*|\d+[.)]\s+)?")
_LABEL = re.compile(r"^(?:file(?:name)?|path)\s*[:=]\s*", re.IGNORECASE)


def clean_path(line: str) -> str | None:
    """The path that a line names, without the decoration that models put around it.

    `**src/a.py**`, `` `src/a.py`: ``, `# src/a.py`, `File: src/a.py` all mean `src/a.py`.
    None when the line is prose or empty.
    """
    text = _DECORATION.sub("", line.strip())
    text = text.strip("*`'\" \t").removesuffix(":").strip("*`'\" \t")
    text = _LABEL.sub("", text).strip("*`'\" \t").removesuffix(":")
    if not text or len(text) > 300 or text.startswith(("```", "~~~", "<", "=", ">")):
        return None
    looks_like_path = "/" in text or "." in text.strip(".")
    if " " in text and not re.search(r"\.\w{1,8}$", text):
        return None
    if " " in text and text.count(" ") > 3:
        return None
    return text if looks_like_path or re.fullmatch(r"[\w-]+", text) else None
