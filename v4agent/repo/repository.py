"""A user's repository: where it is, what is in it, and the one step that changes it."""

from __future__ import annotations

import hashlib
import os
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from v4agent.errors import RepositoryError
from v4agent.files import Change, apply_changes
from v4agent.repo.commit import commit_changes
from v4agent.repo.copying import Progress, copy_tree
from v4agent.repo.discovery import Location, branch_of, head_of, locate
from v4agent.repo.git import git, private_dir
from v4agent.repo.listing import Listing, list_tree
from v4agent.repo.locks import Lease, writer
from v4agent.repo.scratch import Scratch


class Repository:
    """An opened repository. Nothing of the user's is written before `apply` or `commit`."""

    def __init__(self, location: Location, head: str, branch: str | None) -> None:
        self.root = location.root
        self.head: str
        """Commit id of HEAD when the repository was opened, then of our last commit."""
        self.branch = branch
        """Name of the branch; None when HEAD is detached."""
        self.location = location
        lease = Lease(Path(tempfile.gettempdir()), "v4agent-git-")
        weakref.finalize(self, lease.release)
        self._private = private_dir(
            lease.folder / "private",
            location.common_dir / "objects",
            object_format="sha256" if len(head) == 64 else "sha1",
        )
        kind = git("cat-file", "-t", head, git_dir=self._private, accept=(0, 128)).strip()
        if kind != b"commit":
            raise RepositoryError(
                f"the repository at {self.root} is damaged: its objects lack HEAD's commit {head}",
                hint="see `git fsck`",
            )
        self._at(head)

    @classmethod
    def open(cls, path: Path) -> Repository:
        """Open the repository that a folder lies in.

        Raises:
            RepositoryError: no git, not a repository, bare, without a commit, somebody else's, or
                broken.
        """
        location = locate(path)
        return cls(location, head_of(location), branch_of(location))

    @property
    def identity(self) -> str:
        """A stable id of this repository on this machine (not its path in the clear)."""
        return hashlib.sha256(os.fsencode(self.root)).hexdigest()[:32]

    @cached_property
    def listing(self) -> Listing:
        """The working tree as it was when first asked for.

        Raises:
            RepositoryError: the index is broken.
        """
        return list_tree(self.location, self._private)

    @property
    def skipped(self) -> dict[str, str]:
        """Path -> why it is not among `files()`."""
        return self.listing.skipped

    def files(self) -> tuple[str, ...]:
        """Tracked and untracked-not-ignored regular files, POSIX paths, sorted.

        What is left out (links, submodules, special files, odd names) is in `skipped`.
        """
        return self.listing.files

    def environments(self) -> tuple[Path, ...]:
        """Folders of the tree that hold installed packages: seen read-only by the tests."""
        return tuple(self.root / folder for folder in self.listing.environments)

    @contextmanager
    def scratch(self, parent: Path, *, progress: Progress | None = None) -> Iterator[Scratch]:
        """A private copy of the working tree as it is, removed at the end.

        Copies that killed runs left below `parent` are removed first.

        Raises:
            RepositoryError: the tree is too large, or there is no room for it.
        """
        lease = Lease(parent, "run-")
        try:
            base = lease.folder / "base"
            self.skipped.update(copy_tree(self.root, self.listing, base, progress))
            yield Scratch(base, lease.folder / "tree", self._private)
        finally:
            lease.release()

    def apply(self, changes: Sequence[Change], *, state_dir: Path | None = None) -> None:
        """Change the user's files: all of them or none.

        Args:
            state_dir: where the lock lies that keeps two runs apart; None for a private temporary
                folder.

        Raises:
            V4AgentError: a file is not as it was at the start; nothing was changed.
            RepositoryError: another run is writing; nothing was changed.
        """
        with writer(self.location.common_dir, state_dir):
            apply_changes(self.root, changes)

    def commit(
        self, changes: Sequence[Change], message: str, *, state_dir: Path | None = None
    ) -> str:
        """Apply and commit these changes only; other changes and staged files stay as they are.

        Returns the new commit's id.

        Raises:
            RepositoryError: HEAD has moved, a changed file has uncommitted changes, a merge is in
                progress, or the index is locked; nothing was changed.
        """
        with writer(self.location.common_dir, state_dir):
            commit = commit_changes(self.location, self.head, changes, message)
        self._at(commit)
        return commit

    def _at(self, head: str) -> None:
        self.head = head
        self.__dict__.pop("listing", None)
        (self._private / "HEAD").write_text(head + "\n", encoding="ascii")
