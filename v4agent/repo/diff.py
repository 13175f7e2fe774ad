"""Unified diffs in git's form, that `git apply` takes, and `patch -p1` where all is text.

Both sides become trees of a private repository, and git compares the trees: no working tree, no
attributes and no driver has a say.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from v4agent.repo.fast_import import DONE, File, commit_stream
from v4agent.repo.git import git, private_dir

_NAMES = ("refs/heads/before", "refs/heads/after")


class Version(NamedTuple):
    """A file as git sees it."""

    data: bytes
    executable: bool = False


Pair = tuple[Version | None, Version | None]
"""Before and after; None where there is no such file."""


def diff_texts(path: str, before: bytes | None, after: bytes | None) -> str:
    """The diff of one file; empty when nothing changed. None means that there is no such file."""
    versions = [None if data is None else Version(data) for data in (before, after)]
    return diff_versions({path: (versions[0], versions[1])})


def diff_versions(pairs: Mapping[str, Pair]) -> str:
    """The diff of several files, in path order: first those of text, then the others.

    A file that is not UTF-8 becomes a binary patch: the diff is text that any consumer can hold,
    and loses nothing.

    Raises:
        RepositoryError: git failed.
    """
    changed = {path: pair for path, pair in sorted(pairs.items()) if pair[0] != pair[1]}
    text = {path: pair for path, pair in changed.items() if all(map(_is_text, pair))}
    other = {path: pair for path, pair in changed.items() if path not in text}
    return _diff(text, binary=False) + _diff(other, binary=True)


def _is_text(version: Version | None) -> bool:
    try:
        return version is None or version.data.decode("utf-8") is not None
    except UnicodeDecodeError:
        return False


def _diff(pairs: Mapping[str, Pair], *, binary: bool) -> str:
    if not pairs:
        return ""
    with tempfile.TemporaryDirectory(prefix="v4agent-diff-") as folder:
        private = private_dir(Path(folder) / "git", Path(folder) / "none")
        (private / "objects" / "info" / "alternates").unlink()
        attributes = "* -diff\n" if binary else "* !diff\n"
        (private / "info" / "attributes").write_text(attributes, encoding="utf-8")
        sides = [commit_stream(ref, _files(pairs, n)) for n, ref in enumerate(_NAMES)]
        git("fast-import", "--quiet", "--done", git_dir=private, stdin=b"".join(sides) + DONE)
        output = git(
            "diff-tree", "-r", "-p", "--binary", "--full-index", "--no-ext-diff", "--no-textconv",
            "--no-color", "--no-renames", "--unified=3", "--diff-algorithm=histogram",
            "--src-prefix=a/", "--dst-prefix=b/", *_NAMES, "--", git_dir=private,
        )  # fmt: skip
    return output.decode("utf-8")


def _files(pairs: Mapping[str, Pair], side: int) -> Iterator[File]:
    for path, pair in pairs.items():
        version = pair[side]
        if version is not None:
            yield File(path.encode(), "100755" if version.executable else "100644", version.data)
