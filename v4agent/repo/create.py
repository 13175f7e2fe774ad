"""Makes a new repository of a plain folder: what the demo and the evals start from."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from v4agent.errors import RepositoryError
from v4agent.repo.fast_import import DONE, File, commit_stream
from v4agent.repo.git import git


def create(folder: Path, message: str) -> str:
    """Turn a folder into a repository with one commit of everything in it; returns its id.

    Files are taken as bytes, ignored ones too; a repository inside is left out. `git add` would
    run the monitor that such a one names.

    Raises:
        RepositoryError: the folder is a repository already.
    """
    git_dir = folder / ".git"
    if git_dir.exists() or git_dir.is_symlink():
        raise RepositoryError(f"{folder} is a git repository already")
    git("init", "--quiet", "--initial-branch=main", "--template=", str(folder),
        git_dir=None, cwd=folder)  # fmt: skip
    committer = f"v4agent <v4agent@localhost> {int(time.time())} +0000"
    stream = commit_stream(
        "refs/heads/main", _files(folder), message=message + "\n", committer=committer
    )
    git("fast-import", "--quiet", "--done", git_dir=git_dir, stdin=stream + DONE)
    git("read-tree", "HEAD", git_dir=git_dir)
    git("update-index", "-q", "--refresh", git_dir=git_dir, work_tree=folder, accept=(0, 1))
    return git("rev-parse", "HEAD", git_dir=git_dir).decode().strip()


def _files(folder: Path) -> Iterator[File]:
    for parent, folders, names in os.walk(folder):
        here = Path(parent)
        folders[:] = sorted(n for n in folders if n != ".git" and not (here / n / ".git").exists())
        links = [n for n in folders if (here / n).is_symlink()]
        for name in sorted((*names, *links)):
            if name != ".git" and (file := _file(folder, here / name)) is not None:
                yield file


def _file(folder: Path, path: Path) -> File | None:
    name = os.fsencode(path.relative_to(folder))
    mode = os.lstat(path).st_mode
    if stat.S_ISLNK(mode):
        return File(name, "120000", os.fsencode(path.readlink()))
    if stat.S_ISREG(mode):
        return File(name, "100755" if mode & stat.S_IXUSR else "100644", path.read_bytes())
    return None
