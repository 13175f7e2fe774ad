"""A user's repository: where it is, what is in it, and the one step that changes it."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from v4agent.errors import PathRefused, RepositoryError
from v4agent.files import Change, apply_changes, validate_path
from v4agent.repo.commit import commit_changes
from v4agent.repo.git import git, private_dir
from v4agent.repo.scratch import Scratch, cleaned

ENVIRONMENT_NAMES = (".venv", "venv", "env", ".tox", ".nox", "node_modules")
LOCK_SECONDS = 10
GITLINK = "160000"


class Repository:
    """An opened repository. Nothing of the user's is written before `apply` or `commit`."""

    def __init__(self, root: Path, git_dir: Path, common_dir: Path, head: str) -> None:
        self.root = root
        self.git_dir = git_dir
        """The user's git directory (of this worktree)."""
        self.common_dir = common_dir
        self.head = head
        """Commit id of HEAD."""
        self.skipped: dict[str, str] = {}
        """Path -> why it is not among `files()`; filled by it."""
        self._folder = Path(tempfile.mkdtemp(prefix="v4agent-git-"))
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self._private = private_dir(
            self._folder / "private", common_dir / "objects", object_format=_format(head)
        )
        self._files: tuple[str, ...] | None = None

    @classmethod
    def open(cls, path: Path) -> Repository:
        """Open the repository that a folder lies in.

        Raises:
            RepositoryError: no git, not a repository, bare, without a commit, or broken.
        """
        if not path.is_dir():
            raise RepositoryError(f"{path} is not a folder")
        marker = _marker(path.resolve())
        if marker is None:
            raise RepositoryError(
                f"{path} is not in a git repository",
                hint="run `git init` and commit, or use -C DIR",
            )
        git_dir, root = _git_dir(marker), marker.parent
        if not (git_dir / "HEAD").is_file():
            raise RepositoryError(f"{marker} is not a git directory: it has no HEAD")
        common = _common_dir(git_dir)
        return cls(root, git_dir, common, _head(git_dir, common))

    @property
    def branch(self) -> str | None:
        """Name of the branch; None when HEAD is detached."""
        text = (self.git_dir / "HEAD").read_text(encoding="utf-8").strip()
        return text.removeprefix("ref: refs/heads/") if text.startswith("ref: ") else None

    @property
    def identity(self) -> str:
        """A stable id of this repository on this machine (not its path in the clear)."""
        return hashlib.sha256(str(self.root).encode()).hexdigest()[:32]

    def files(self) -> tuple[str, ...]:
        """Tracked and untracked-not-ignored regular files, POSIX paths, sorted.

        What is left out (links, submodules, special files, odd names) is in `skipped`.
        """
        if self._files is None:
            listed = self._listed()
            self._files = tuple(sorted(p for p in listed if self._regular(p)))
        return self._files

    def environments(self) -> tuple[Path, ...]:
        """Folders of the tree that hold installed packages: seen read-only by the tests."""
        files = self.files()
        tracked = {Path(f).parts[0] for f in files if "/" in f}
        return tuple(
            folder
            for folder in sorted(self.root.iterdir())
            if folder.is_dir()
            and not folder.is_symlink()
            and folder.name not in tracked
            and (folder.name in ENVIRONMENT_NAMES or (folder / "pyvenv.cfg").is_file())
        )

    @contextmanager
    def scratch(self, parent: Path) -> Iterator[Scratch]:
        """A private copy of the working tree as it is, removed at the end."""
        with cleaned(parent) as folder:
            yield Scratch.copy(self.root, self.files(), self._links, folder / "tree")

    def apply(self, changes: Sequence[Change]) -> None:
        """Change the user's files: all of them or none.

        Raises:
            V4AgentError: a file is not as it was at the start; nothing was changed.
        """
        apply_changes(self.root, changes)

    def commit(self, changes: Sequence[Change], message: str) -> str:
        """Apply and commit these changes only; other changes and staged files stay as they are.

        Raises:
            RepositoryError: HEAD has moved, or the index is locked; nothing was changed.
        """
        return commit_changes(self, self._private, changes, message)

    def _listed(self) -> list[str]:
        index = self._folder / "index"
        source = self.git_dir / "index"
        if source.is_file():
            shutil.copyfile(source, index)
        for shared in self.git_dir.glob("sharedindex.*"):
            shutil.copyfile(shared, self._private / shared.name)
        exclude = self.common_dir / "info" / "exclude"
        info = self._private / "info"
        info.mkdir(exist_ok=True)
        if exclude.is_file():
            shutil.copyfile(exclude, info / "exclude")
        staged = git(
            "ls-files", "-s", "-z", git_dir=self._private, work_tree=self.root, index=index
        )
        self._links: list[str] = []
        paths = []
        for entry in filter(None, staged.split(b"\0")):
            mode, _, raw = entry.partition(b" ")
            path = self._decoded(raw.partition(b"\t")[2])
            if path is not None and mode.decode() == GITLINK:
                self.skipped[path] = "submodule"
            elif path is not None:
                paths.append(path)
        others = git(
            "ls-files", "-o", "-z", "--exclude-standard",
            git_dir=self._private, work_tree=self.root, index=index,
        )  # fmt: skip
        paths += [p for raw in others.split(b"\0") if raw and (p := self._decoded(raw)) is not None]
        return paths

    def _decoded(self, raw: bytes) -> str | None:
        try:
            path = raw.decode("utf-8")
        except UnicodeDecodeError:
            self.skipped[raw.decode("utf-8", errors="replace")] = "its name is not UTF-8"
            return None
        if path.endswith("/"):
            self.skipped[path] = "a repository inside this one"
            return None
        return path

    def _regular(self, path: str) -> bool:
        try:
            validate_path(path)
        except PathRefused as error:
            self.skipped[path] = error.message
            return False
        try:
            mode = os.lstat(self.root / path).st_mode
        except OSError:
            return False  # deleted from the working tree
        if any((self.root / p).is_symlink() for p in _parents(path)):
            self.skipped[path] = "behind a symbolic link"
            return False
        if stat.S_ISLNK(mode):
            self.skipped[path] = "symbolic link"
            self._links.append(path)
            return False
        if not stat.S_ISREG(mode):
            self.skipped[path] = "not a regular file"
            return False
        return True


def _parents(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: n + 1]) for n in range(len(parts))]


def _marker(path: Path) -> Path | None:
    """The nearest `.git` at or above a folder."""
    for folder in (path, *path.parents):
        if (folder / ".git").exists():
            return folder / ".git"
        if (folder / "HEAD").is_file() and (folder / "objects").is_dir():
            raise RepositoryError(
                f"{folder} is a bare repository", hint="clone it, and run in the clone"
            )
    return None


def _git_dir(marker: Path) -> Path:
    if marker.is_dir():
        return marker
    text = marker.read_text(encoding="utf-8", errors="replace").strip()
    if not text.startswith("gitdir: "):
        raise RepositoryError(f"{marker} does not name a git directory")
    return (marker.parent / text.removeprefix("gitdir: ")).resolve()


def _common_dir(git_dir: Path) -> Path:
    """Where objects and refs are: for a linked worktree, the main repository's directory."""
    try:
        text = (git_dir / "commondir").read_text(encoding="utf-8").strip()
    except OSError:
        return git_dir
    return (git_dir / text).resolve()


def _head(git_dir: Path, common_dir: Path) -> str:
    try:
        output = git("rev-parse", "--verify", "--quiet", "HEAD^{commit}", git_dir=git_dir,
                     accept=(0, 1, 128))  # fmt: skip
    except RepositoryError as error:
        raise RepositoryError(f"the repository can't be read: {error.message}") from error
    head = output.decode().strip()
    if not head:
        raise RepositoryError(
            f"the repository at {common_dir.parent} has no commit", hint="commit something first"
        )
    return head


def _format(head: str) -> str:
    return "sha256" if len(head) == 64 else "sha1"
