"""Commits as `git fast-import` reads them: many files in one process, nothing of them run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

DONE = b"done\n"
"""Ends a stream that is read with `--done`."""


class File(NamedTuple):
    """One file of a commit."""

    path: bytes
    mode: str
    """git's: 100644, 100755 or 120000."""
    data: bytes


def commit_stream(
    ref: str, files: Iterable[File], *, message: str = "", committer: str = "v4agent <> 0 +0000"
) -> bytes:
    """A commit without a parent, of these files and no others."""
    text = message.encode()
    parts = [f"commit {ref}\ncommitter {committer}\ndata {len(text)}\n".encode(), text, b"\n"]
    for file in files:
        parts.append(b"M %s inline %s\n" % (file.mode.encode(), _quoted(file.path)))
        parts += [b"data %d\n" % len(file.data), file.data, b"\n"]
    return b"".join(parts)


def _quoted(path: bytes) -> bytes:
    escaped = path.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")
    return b'"' + escaped + b'"'
