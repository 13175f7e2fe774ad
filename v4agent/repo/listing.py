"""What the working tree holds: git matches the ignore rules, in a private directory."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from v4agent.errors import PathRefused
from v4agent.files import validate_path
from v4agent.repo.discovery import Location
from v4agent.repo.git import git, setting

ENVIRONMENT_NAMES = (".venv", "venv", ".tox", ".nox", "node_modules")
"""Folders that are environments by their name; any other needs a `pyvenv.cfg`."""
CARRIED = ("*.so", "*.pyd", "_version.py", "version.py")
"""Ignored files that builds leave beside the sources, and imports need."""
CARRIED_FOLDERS = "*.egg-info"
GITLINK = "160000"
ENVIRONMENT = "belongs to an environment"


@dataclass
class Listing:
    """The working tree of a repository. Paths are relative, POSIX, in order."""

    files: tuple[str, ...] = ()
    """Regular files, tracked or untracked-not-ignored, whose names may be edited."""
    odd: tuple[str, ...] = ()
    """Regular files whose names may not be edited (reserved characters, not UTF-8): tests may
    need them. Non-UTF-8 names are surrogate-escaped."""
    links: tuple[str, ...] = ()
    """Symbolic links."""
    carried: tuple[str, ...] = ()
    """Ignored files that builds left: extension modules, version files, `*.egg-info`."""
    environments: tuple[str, ...] = ()
    """Folders that hold installed packages."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Path -> why it is not in `files`."""


def list_tree(location: Location, private: Path) -> Listing:
    """List a working tree.

    Args:
        private: a private git directory that borrows the repository's objects; a copy of the
            user's index is made in it.

    Raises:
        RepositoryError: the index is broken.
    """
    listing = Listing()
    tracked = _tracked(location, private, listing)
    untracked = _untracked(location, private, listing)
    untracked = _without_environments(location.root, untracked, listing)
    kinds = _Kinds(location.root, listing)
    sorted_by: dict[str, list[str]] = {"file": [], "odd": [], "link": [], "": []}
    for path in sorted(tracked | untracked):
        sorted_by[kinds.of(path)].append(path)
    listing.files, listing.odd = tuple(sorted_by["file"]), tuple(sorted_by["odd"])
    listing.links = tuple(sorted_by["link"])
    known = frozenset((*listing.files, *listing.odd, *listing.links))
    listing.carried, found = _ignored_beside(location.root, known)
    listing.environments = tuple(sorted({*listing.environments, *found}))
    return listing


def _tracked(location: Location, private: Path, listing: Listing) -> set[str]:
    index = private / "index"
    source = location.git_dir / "index"
    if source.is_file():
        shutil.copyfile(source, index)
        for shared in location.git_dir.glob("sharedindex.*"):
            shutil.copyfile(shared, private / shared.name)
    else:  # nothing was checked out: what HEAD has counts as tracked
        git("read-tree", "HEAD", git_dir=private, index=index)
    staged = git("ls-files", "-s", "-z", git_dir=private, work_tree=location.root, index=index)
    paths = set()
    for entry in filter(None, staged.split(b"\0")):
        mode, _, raw = entry.partition(b" ")
        path = os.fsdecode(raw.partition(b"\t")[2])
        if mode.decode() == GITLINK:
            listing.skipped[shown(path)] = "submodule"
        else:
            paths.add(path)  # once: a conflict has three entries
    return paths


def _untracked(location: Location, private: Path, listing: Listing) -> set[str]:
    exclude = location.common_dir / "info" / "exclude"
    if exclude.is_file():
        shutil.copyfile(exclude, private / "info" / "exclude")
    raw = git(
        "ls-files", "-o", "-z", "--exclude-standard",
        git_dir=private, work_tree=location.root, index=private / "index",
        config={"core.excludesFile": str(_excludes_file(location))},
    )  # fmt: skip
    paths = set()
    for path in map(os.fsdecode, filter(None, raw.split(b"\0"))):
        if path.endswith("/"):
            listing.skipped[shown(path)] = "a repository inside this one"
        else:
            paths.add(path)
    return paths


def _excludes_file(location: Location) -> Path:
    """The user's own ignore rules, which `status` of theirs honours too: read as data."""
    named = setting("core.excludesFile", location.git_dir)
    config = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    path = Path(named[-1] if named else f"{config}/git/ignore")
    try:
        path = path.expanduser()
    except RuntimeError:
        return Path(os.devnull)
    return path if path.is_file() else Path(os.devnull)


def _without_environments(root: Path, untracked: set[str], listing: Listing) -> set[str]:
    """An environment that nobody put on the ignore list is one all the same."""
    found = {p[: -len("/pyvenv.cfg")] for p in untracked if p.endswith("/pyvenv.cfg")}
    for path in untracked:
        parts = path.split("/")
        if "node_modules" in parts[:-1]:
            found.add("/".join(parts[: parts.index("node_modules") + 1]))
    found = {f for f in found if not any(p in found for p in _parents(f))}
    for folder in found:
        listing.skipped[shown(folder + "/")] = ENVIRONMENT
    listing.environments = tuple(f for f in found if (root / f).is_dir())
    return {p for p in untracked if not any(parent in found for parent in _parents(p))}


class _Kinds:
    """Sorts paths by what stands there; remembers folders, and notes why a path is skipped."""

    def __init__(self, root: Path, listing: Listing) -> None:
        self._root = root
        self._skipped = listing.skipped
        self._folders: dict[str, bool] = {"": True}

    def of(self, path: str) -> str:
        """`file`, `odd`, `link`, or empty for what is left out."""
        if not _stays_inside(path):
            return self._skip(path, "its path leaves the working tree or lies in git's folder")
        if not self._real_folder(path.rpartition("/")[0]):
            return self._skip(path, "behind a symbolic link")
        try:
            mode = os.lstat(self._root / path).st_mode
        except OSError:
            return ""  # deleted from the working tree, or not checked out
        if stat.S_ISLNK(mode):
            self._skip(path, "symbolic link")
            return "link"
        if not stat.S_ISREG(mode):
            return self._skip(path, "not a regular file")
        return self._named(path)

    def _named(self, path: str) -> str:
        try:
            path.encode()
            validate_path(path)
        except UnicodeEncodeError:
            self._skip(path, "its name is not UTF-8")
        except PathRefused as error:
            self._skip(path, error.message)
        else:
            return "file"
        return "odd"

    def _skip(self, path: str, reason: str) -> str:
        self._skipped[shown(path)] = reason
        return ""

    def _real_folder(self, folder: str) -> bool:
        if folder not in self._folders:
            parent = self._real_folder(folder.rpartition("/")[0])
            self._folders[folder] = parent and not (self._root / folder).is_symlink()
        return self._folders[folder]


def _ignored_beside(root: Path, known: frozenset[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Carried files and environments in the folders that hold known files, and only there."""
    folders = {"", *(parent for path in known for parent in _parents(path))}
    carried, environments = [], []
    for folder in sorted(folders):
        for entry in _entries(root / folder):
            path = f"{folder}/{entry.name}" if folder else entry.name
            if entry.is_symlink() or path in known or entry.name == ".git":
                continue
            if entry.is_dir():
                if path in folders and not fnmatchcase(entry.name, CARRIED_FOLDERS):
                    continue
                if _is_environment(entry):
                    environments.append(path)
                elif fnmatchcase(entry.name, CARRIED_FOLDERS):
                    carried += [f"{path}/{e.name}" for e in _entries(root / path)
                                if e.is_file(follow_symlinks=False)]  # fmt: skip
            elif entry.is_file() and any(fnmatchcase(entry.name, p) for p in CARRIED):
                carried.append(path)
    return tuple(p for p in sorted(carried) if p not in known), tuple(environments)


def _entries(folder: Path) -> Iterable[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda e: e.name)
    except OSError:
        return ()


def _is_environment(entry: os.DirEntry[str]) -> bool:
    return entry.name in ENVIRONMENT_NAMES or (Path(entry.path) / "pyvenv.cfg").is_file()


def _stays_inside(path: str) -> bool:
    parts = path.split("/")
    return not any(p in ("", ".", "..") or p.casefold() == ".git" for p in parts)


def _parents(path: str) -> list[str]:
    return [str(p) for p in PurePosixPath(path).parents][:-1]


def shown(path: str) -> str:
    """A path as it can be shown: valid Unicode."""
    return os.fsencode(path).decode("utf-8", errors="replace")
