"""The one function through which v4agent calls git.

A repository's own configuration can name programs for almost every git command: hooks, filters,
fsmonitor, diff drivers, pagers, signing, transports. So git works on a private directory of ours
that borrows the user's objects through `objects/info/alternates` and has no configuration of the
user's. Three commands alone see the user's git directory: `rev-parse`, `config` (both read) and
`update-ref`. With the overrides below they were measured to run nothing; without them `rev-parse`
does run the transport of a hostile promisor remote, and `update-ref` a hook.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from v4agent.errors import RepositoryError

TIMEOUT_SECONDS = 300
READ_TIMEOUT_SECONDS = 20
"""For commands that read the user's directory: a FIFO in the place of a file must not stop us."""

_CONFIG = {
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "core.attributesFile": os.devnull,
    "core.excludesFile": os.devnull,
    "core.alternateRefsCommand": "false",
    "core.gitProxy": "",
    "core.pager": "cat",
    "core.editor": "false",
    "core.sshCommand": "false",
    "core.askPass": "false",
    "core.quotePath": "false",
    "core.autocrlf": "false",
    "core.safecrlf": "false",
    "core.precomposeUnicode": "false",
    "core.splitIndex": "false",
    "credential.helper": "",
    "diff.external": "",
    "commit.gpgSign": "false",
    "tag.gpgSign": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "submodule.recurse": "false",
    "protocol.allow": "never",
    "advice.detachedHead": "false",
}

_NO_ATTRIBUTES = (
    "* -text !eol !crlf !filter !ident !working-tree-encoding !diff !merge !conflict-marker-size\n"
)
"""Stands above every `.gitattributes` of a working tree: files are bytes."""


@cache
def binary() -> str:
    """Absolute path of git; relative entries of PATH would find the repository's own files.

    Raises:
        RepositoryError: git is not installed.
    """
    for entry in os.get_exec_path():
        candidate = Path(entry) / "git"
        if candidate.is_absolute() and candidate.is_file() and os.access(candidate, os.X_OK):
            return str(candidate)
    raise RepositoryError("git is not installed", hint="install git, and have it on PATH")


def git(
    *arguments: str,
    git_dir: Path | None,
    work_tree: Path | None = None,
    cwd: Path | None = None,
    index: Path | None = None,
    stdin: bytes | None = None,
    accept: Sequence[int] = (0,),
    env: Mapping[str, str] | None = None,
    config: Mapping[str, str] | None = None,
    timeout: float = TIMEOUT_SECONDS,
) -> bytes:
    """Run git on a private git directory and return its output.

    Args:
        git_dir: private directory (see `private_dir`); the user's for `rev-parse` and
            `update-ref` alone; None for commands that need none.
        work_tree: folder that git takes for the working tree.
        index: index file other than the directory's own.
        accept: exit codes that are no error.
        env: variables on top of the scrubbed environment.
        config: settings on top of ours.
        timeout: seconds.

    Raises:
        RepositoryError: git failed or did not end; carries what it said.
    """
    settings = _CONFIG | dict(config or {})
    options = [x for k, v in settings.items() for x in ("-c", f"{k}={v}")]
    command = [binary(), "--no-pager", "--literal-pathspecs", *options, *arguments]
    folder = cwd or work_tree or git_dir or Path("/")
    return _run(command, folder, environment(git_dir, work_tree, index) | dict(env or {}),
                stdin, accept, timeout)  # fmt: skip


def setting(key: str, git_dir: Path | None) -> tuple[str, ...]:
    """Values of one git setting as the user's git sees it: system, user, repository; in order.

    Read as data: `git config` runs nothing (measured), and nothing found there is run by us.

    Args:
        git_dir: the user's directory; None leaves the repository's own configuration out.

    Raises:
        RepositoryError: git did not end (a FIFO in the place of a file).
    """
    env = environment(git_dir, None, None)
    for name in ("GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_GLOBAL"):
        env.pop(name)
    for name in ("HOME", "XDG_CONFIG_HOME", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM",
                 "GIT_CONFIG_NOSYSTEM"):  # fmt: skip
        if name in os.environ:
            env[name] = os.environ[name]
    command = [binary(), "--no-pager", "config", "--includes", "--null", "--get-all", key]
    # 1: not set; 3 and 128: a file that git can't parse sets nothing
    found = _run(command, git_dir or Path("/"), env, None, (0, 1, 3, 128), READ_TIMEOUT_SECONDS)
    return tuple(v.decode(errors="replace") for v in found.split(b"\0")[:-1])


def private_dir(folder: Path, objects: Path, *, object_format: str = "sha1") -> Path:
    """Make a bare git directory of ours that borrows the objects of another.

    Written by hand: it is four small files, and `git init` would look for templates.

    Args:
        folder: where to make it; must not exist.
        objects: the user's object store.
    """
    (folder / "objects" / "info").mkdir(parents=True, mode=0o700)
    (folder / "refs").mkdir()
    (folder / "info").mkdir()
    (folder / "HEAD").write_text("ref: refs/heads/v4agent\n", encoding="utf-8")
    extension = "[extensions]\n\tobjectFormat = sha256\n" if object_format == "sha256" else ""
    version = 1 if extension else 0
    (folder / "config").write_text(
        f"[core]\n\trepositoryFormatVersion = {version}\n\tbare = true\n{extension}",
        encoding="utf-8",
    )
    (folder / "info" / "attributes").write_text(_NO_ATTRIBUTES, encoding="utf-8")
    (folder / "objects" / "info" / "alternates").write_bytes(_quoted(objects) + b"\n")
    return folder


def environment(
    git_dir: Path | None, work_tree: Path | None = None, index: Path | None = None
) -> dict[str, str]:
    """A whole environment for git: nothing of ours but the time zone reaches it."""
    env = {
        "PATH": f"{Path(binary()).parent}:/usr/bin:/bin",
        "HOME": os.devnull,
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
    }
    if "TZ" in os.environ:
        env["TZ"] = os.environ["TZ"]
    if git_dir is not None:
        env["GIT_DIR"] = str(git_dir)
    else:
        env["GIT_CEILING_DIRECTORIES"] = "/"
    if work_tree is not None:
        env["GIT_WORK_TREE"] = str(work_tree)
    if index is not None:
        env["GIT_INDEX_FILE"] = str(index)
    return env


def _run(
    command: Sequence[str],
    cwd: Path,
    env: Mapping[str, str],
    stdin: bytes | None,
    accept: Sequence[int],
    timeout: float,
) -> bytes:
    name = next(a for a in command[2:] if not a.startswith("-") and "=" not in a)
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=dict(env),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise RepositoryError(f"git {name} did not end in {timeout:.0f} s") from error
    except OSError as error:
        raise RepositoryError(f"git {name} could not be started: {error}") from error
    if done.returncode not in accept:
        said = done.stderr.decode(errors="replace").strip()
        raise RepositoryError(f"git {name} failed: {said[-500:] or done.returncode}")
    return done.stdout


def _quoted(path: Path) -> bytes:
    """A line of `alternates`: quoted as C, so that no name can begin a comment or a line."""
    raw = os.fsencode(path)
    plain = all(0x20 <= byte < 0x7F and byte not in b'"\\' for byte in raw)
    if plain and not raw.startswith(b"#"):
        return raw
    escaped = b"".join(
        bytes([byte]) if 0x20 <= byte < 0x7F and byte not in b'"\\' else b"\\%03o" % byte
        for byte in raw
    )
    return b'"' + escaped + b'"'
