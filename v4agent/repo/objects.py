"""Reads committed content with GitPython, from a private directory that borrows the objects."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from v4agent.errors import RepositoryError
from v4agent.repo.git import binary, environment


class Blob(NamedTuple):
    """A committed file."""

    mode: int
    """git's: 0o100644 or 0o100755; 0o120000 for a link."""
    oid: str
    data: bytes


class Committed:
    """The files of one commit. GitPython reads objects only: that was measured to run nothing."""

    def __init__(self, private: Path, commit: str) -> None:
        """Open a commit.

        Args:
            private: a private git directory (see `git.private_dir`), never the user's.

        Raises:
            RepositoryError: the object format is SHA-256, which GitPython does not read.
        """
        if len(commit) != 40:
            raise RepositoryError(
                "repositories with SHA-256 ids can't be committed to yet",
                hint="use --apply, and commit",
            )
        import git as gitpython

        gitpython.refresh(binary())
        self._repo = gitpython.Repo(private, expand_vars=False)
        # on top of the process's environment, which may have GIT_DIR when a hook started us
        self._repo.git.update_environment(
            **environment(private, index=private / "index"),
            GIT_OBJECT_DIRECTORY=str(private / "objects"),
            GIT_ALTERNATE_OBJECT_DIRECTORIES="",
            GIT_COMMON_DIR=str(private),
            GIT_CONFIG_COUNT="0",
            GIT_CONFIG_PARAMETERS="",
            GIT_NAMESPACE="",
            GIT_TRACE="0",
        )
        self._commit = gitpython.Commit(self._repo, bytes.fromhex(commit))

    def read(self, path: str) -> Blob | None:
        """The file at a path; None where the commit has no file there.

        Raises:
            RepositoryError: the objects can't be read (a partial clone may not have them).
        """
        try:
            found = self._commit.tree / path
            if found.type != "blob":
                return None
            return Blob(found.mode, found.hexsha, found.data_stream.read())
        except KeyError:
            return None
        except (ValueError, OSError) as error:
            raise RepositoryError(
                f"{path} can't be read from the repository's objects: {error}",
                hint="in a partial clone, check the file out first: git checkout HEAD -- PATH",
            ) from error

    def __enter__(self) -> Committed:
        return self

    def __exit__(self, *_: object) -> None:
        self._repo.close()
