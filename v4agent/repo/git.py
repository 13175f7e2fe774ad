"""The one function through which v4agent calls git.

A repository's own configuration can name programs for almost every git command: hooks, filters,
fsmonitor, diff drivers, pagers, signing. So git is never pointed at the user's git directory; it
gets a private one that borrows the user's objects through `objects/info/alternates` and has a
configuration of ours. Only `rev-parse` reads the user's directory, which was measured to run
nothing (facts/robustness.md, section 4).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from v4agent.errors import RepositoryError

TIMEOUT_SECONDS = 300

_CONFIG = {
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "core.attributesFile": os.devnull,
    "core.excludesFile": os.devnull,
    "core.pager": "cat",
    "core.editor": "false",
    "core.sshCommand": "false",
    "core.askPass": "false",
    "core.quotePath": "false",
    "core.autocrlf": "false",
    "core.safecrlf": "false",
    "core.precomposeUnicode": "false",
    "credential.helper": "",
    "diff.external": "",
    "commit.gpgSign": "false",
    "tag.gpgSign": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "submodule.recurse": "false",
    "protocol.allow": "never",
    "safe.directory": "*",
    "advice.detachedHead": "false",
}


@cache
def binary() -> str:
    """Absolute path of git.

    Raises:
        RepositoryError: git is not installed.
    """
    found = shutil.which("git")
    if found is None:
        raise RepositoryError("git is not installed", hint="install git")
    return str(Path(found).absolute())


def git(
    *arguments: str,
    git_dir: Path | None,
    work_tree: Path | None = None,
    cwd: Path | None = None,
    index: Path | None = None,
    stdin: bytes | None = None,
    accept: Sequence[int] = (0,),
    env: Mapping[str, str] | None = None,
) -> bytes:
    """Run git on a private git directory and return its output.

    Args:
        git_dir: private directory (see `private_dir`), the user's for `rev-parse` alone, or
            None for commands that need none.
        work_tree: folder that git takes for the working tree.
        index: index file other than the directory's own.
        accept: exit codes that are no error.

    Raises:
        RepositoryError: git failed; carries what it said.
    """
    options = [x for k, v in _CONFIG.items() for x in ("-c", f"{k}={v}")]
    command = [binary(), "--no-pager", "--literal-pathspecs", *options, *arguments]
    done = subprocess.run(
        command,
        cwd=cwd or work_tree or git_dir,
        env=_environment(git_dir, work_tree, index) | dict(env or {}),
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    if done.returncode not in accept:
        said = done.stderr.decode(errors="replace").strip()
        raise RepositoryError(f"git {arguments[0]} failed: {said[-500:]}")
    return done.stdout


def private_dir(folder: Path, objects: Path, *, object_format: str = "sha1") -> Path:
    """Make a bare git directory of ours that borrows the objects of another.

    Args:
        folder: where to make it; must not exist.
        objects: the user's object store.
    """
    template = folder.with_name(folder.name + "-template")
    template.mkdir(parents=True)
    git(
        "init", "--quiet", "--bare", f"--object-format={object_format}",
        f"--template={template}", str(folder), git_dir=None, cwd=folder.parent,
    )  # fmt: skip
    template.rmdir()
    info = folder / "objects" / "info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "alternates").write_text(f"{objects}\n", encoding="utf-8")
    return folder


def _environment(
    git_dir: Path | None, work_tree: Path | None, index: Path | None
) -> dict[str, str]:
    env = {
        "PATH": os.environ.get("PATH", os.defpath),
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
    if git_dir is not None:
        env["GIT_DIR"] = str(git_dir)
    if work_tree is not None:
        env["GIT_WORK_TREE"] = str(work_tree)
    if index is not None:
        env["GIT_INDEX_FILE"] = str(index)
    return env
