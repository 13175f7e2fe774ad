"""Makes a new repository of a plain folder: what the demo and the evals start from."""

from __future__ import annotations

from pathlib import Path

from v4agent.repo.git import git

AUTHOR = {
    "GIT_AUTHOR_NAME": "v4agent",
    "GIT_AUTHOR_EMAIL": "v4agent@localhost",
    "GIT_COMMITTER_NAME": "v4agent",
    "GIT_COMMITTER_EMAIL": "v4agent@localhost",
}


def create(folder: Path, message: str) -> str:
    """Turn a folder into a repository with one commit of everything in it; returns its id."""
    git_dir = folder / ".git"
    git("init", "--quiet", "--initial-branch=main", "--template=", str(folder),
        git_dir=None, cwd=folder)  # fmt: skip
    git("add", "--all", "--force", ".", git_dir=git_dir, work_tree=folder)
    git("commit", "--quiet", "--no-verify", "-m", message, git_dir=git_dir, work_tree=folder,
        env=AUTHOR)  # fmt: skip
    return git("rev-parse", "HEAD", git_dir=git_dir).decode().strip()
