"""Unified diffs in git's form, that `git apply` and `patch -p1` take."""

from __future__ import annotations

import tempfile
from pathlib import Path

from v4agent.repo.git import git

NO_FILE = Path("/dev/null")


def diff_texts(path: str, before: bytes | None, after: bytes | None) -> str:
    """The diff of one file; empty when nothing changed. None means that there is no such file.

    Made by `git diff --no-index` on two private files, without drivers or text conversion.
    """
    if before == after:
        return ""
    with tempfile.TemporaryDirectory(prefix="v4agent-diff-") as folder:
        root = Path(folder)
        names = [_write(root / side, path, data) for side, data in (("a", before), ("b", after))]
        output = git(
            "diff", "--no-index", "--no-ext-diff", "--no-textconv", "--no-color", "--binary",
            "--full-index", "--src-prefix=", "--dst-prefix=", "--", *names,
            git_dir=None, cwd=root, accept=(0, 1), env={"GIT_CEILING_DIRECTORIES": folder},
        )  # fmt: skip
    return output.decode("utf-8", errors="surrogateescape")


def _write(side: Path, path: str, data: bytes | None) -> str:
    if data is None:
        return str(NO_FILE)
    target = side / path
    target.parent.mkdir(parents=True)
    target.write_bytes(data)
    return f"{side.name}/{path}"
