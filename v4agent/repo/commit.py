"""Commits a set of changes without running anything of the repository's.

Objects are made in the private directory and copied into the user's store; the index and the
branch are replaced under git's own lock files, so a running git and we exclude each other.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from v4agent.errors import RepositoryError
from v4agent.files import Change, apply_changes
from v4agent.repo.git import git

if TYPE_CHECKING:
    from v4agent.repo.repository import Repository

FALLBACK_NAME, FALLBACK_EMAIL = "v4agent", "v4agent@localhost"


def commit_changes(
    repository: Repository, private: Path, changes: Sequence[Change], message: str
) -> str:
    """See `Repository.commit`."""
    if (repository.common_dir / "reftable").exists():
        raise RepositoryError(
            "repositories with reftable can't be committed to yet", hint="use --apply, and commit"
        )
    _require_clean(repository, private, changes)
    entries = [_entry(repository, private, change) for change in changes]
    commit = _commit_object(repository, private, entries, message)
    with _locked(repository.git_dir / "index") as new_index, _locked(_ref(repository)) as new_ref:
        _require_head(repository)
        _fill_index(repository, private, entries, new_index)
        _copy_objects(private / "objects", repository.common_dir / "objects")
        new_ref.write_text(commit + "\n", encoding="utf-8")
        apply_changes(repository.root, changes)
        _log(repository, commit, message)
        new_ref.replace(_ref(repository))
        new_index.replace(repository.git_dir / "index")
    return commit


def _require_clean(repository: Repository, private: Path, changes: Sequence[Change]) -> None:
    """A changed file must be as HEAD has it: else its uncommitted changes would be committed."""
    for change in changes:
        name = f"{repository.head}:{change.path}"
        kind = git("cat-file", "-t", name, git_dir=private, accept=(0, 128)).strip()
        committed = git("cat-file", "blob", name, git_dir=private) if kind == b"blob" else None
        if committed != change.before:
            raise RepositoryError(
                f"{change.path} has uncommitted changes of yours; nothing was changed",
                hint="commit or stash them first, or use --apply instead of --commit",
            )


def _entry(repository: Repository, private: Path, change: Change) -> str:
    """A line for `update-index --index-info`."""
    if change.after is None:
        return f"0 {'0' * len(repository.head)}\t{change.path}"
    blob = git("hash-object", "-w", "--no-filters", "--stdin", git_dir=private, stdin=change.after)
    path = repository.root / change.path
    executable = path.exists() and os.access(path, os.X_OK)
    mode = "100755" if executable and change.before is not None else "100644"
    return f"{mode} {blob.decode().strip()}\t{change.path}"


def _commit_object(
    repository: Repository, private: Path, entries: Sequence[str], message: str
) -> str:
    index = private / "commit-index"
    git("read-tree", repository.head, git_dir=private, index=index)
    _update(private, index, entries)
    tree = git("write-tree", git_dir=private, index=index).decode().strip()
    name, email = _identity(repository)
    env = {
        f"GIT_{role}_{what}": value
        for role in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", name), ("EMAIL", email))
    }
    made = git("commit-tree", tree, "-p", repository.head, git_dir=private,
               stdin=message.encode(), env=env)  # fmt: skip
    return made.decode().strip()


def _update(private: Path, index: Path, entries: Sequence[str]) -> None:
    lines = "".join(entry + "\0" for entry in entries).encode()
    git("update-index", "-z", "--index-info", git_dir=private, index=index, stdin=lines)


def _fill_index(
    repository: Repository, private: Path, entries: Sequence[str], target: Path
) -> None:
    """The user's index with our entries: what is staged of other files stays staged."""
    work = private / "user-index"
    shutil.copyfile(repository.git_dir / "index", work)
    _update(private, work, entries)
    shutil.copyfile(work, target)


def _copy_objects(source: Path, target: Path) -> None:
    """Copy the loose objects that we made; an object that is there already is the same."""
    for found in source.glob("[0-9a-f][0-9a-f]/*"):
        folder = target / found.parent.name
        folder.mkdir(exist_ok=True)
        place = folder / found.name
        if not place.exists():
            temporary = folder / f"tmp_obj_{os.getpid()}_{found.name[:8]}"
            shutil.copyfile(found, temporary)
            temporary.chmod(0o444)
            temporary.replace(place)


def _ref(repository: Repository) -> Path:
    branch = repository.branch
    if branch is None:
        return repository.git_dir / "HEAD"
    return repository.common_dir / "refs" / "heads" / branch


def _require_head(repository: Repository) -> None:
    now = git("rev-parse", "--verify", "HEAD^{commit}", git_dir=repository.git_dir)
    if now.decode().strip() != repository.head:
        raise RepositoryError(
            "HEAD has moved since the run began; nothing was changed", hint="run again"
        )


@contextmanager
def _locked(path: Path) -> Iterator[Path]:
    """git's own lock protocol: `<file>.lock`, made exclusively, renamed over the file."""
    lock = path.with_name(path.name + ".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
    except FileExistsError as error:
        raise RepositoryError(
            f"{lock.name} exists: another git process works here; nothing was changed",
            hint=f"when no git process runs any more, remove {lock}",
        ) from error
    try:
        yield lock
    finally:
        with contextlib.suppress(FileNotFoundError):
            lock.unlink()


def _log(repository: Repository, commit: str, message: str) -> None:
    name, email = _identity(repository)
    subject = message.partition("\n")[0]
    line = (
        f"{repository.head} {commit} {name} <{email}> {int(time.time())} +0000\tcommit: {subject}\n"
    )
    logs = [repository.git_dir / "logs" / "HEAD"]
    if repository.branch is not None:
        logs.append(repository.common_dir / "logs" / "refs" / "heads" / repository.branch)
    for log in logs:
        if log.is_file() and not log.is_symlink():
            with log.open("a", encoding="utf-8") as handle:
                handle.write(line)


def _identity(repository: Repository) -> tuple[str, str]:
    """The user's name and address, from the environment or from configuration read as data."""
    sources = [repository.common_dir / "config", Path.home() / ".gitconfig",
               Path.home() / ".config/git/config"]  # fmt: skip

    def value(variable: str, key: str, fallback: str) -> str:
        if os.environ.get(variable):
            return os.environ[variable]
        for source in sources:
            if source.is_file():
                found = git("config", "--file", str(source), "--no-includes", "--get", key,
                            git_dir=None, cwd=Path("/"), accept=(0, 1, 2, 3, 128))  # fmt: skip
                if found.strip():
                    return found.decode(errors="replace").strip()
        return fallback

    return (
        value("GIT_AUTHOR_NAME", "user.name", FALLBACK_NAME),
        value("GIT_AUTHOR_EMAIL", "user.email", FALLBACK_EMAIL),
    )
