"""Repositories whose git configuration would run a program: each one drops a canary when it does.

`plant(name, ...)` builds one. `TRIGGERS` names, for each, a git command that fires it in the
ordinary way: a trap that no command springs would prove nothing.
"""

from __future__ import annotations

import atexit
import functools
import hashlib
import os
import shutil
import stat
import struct
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple


class Trap(NamedTuple):
    """A planted repository."""

    root: Path
    script: Path
    canary: Path

    def sprung(self) -> str:
        """What ran, one line a call; empty when nothing did."""
        return self.canary.read_text() if self.canary.exists() else ""


def run_git(root: Path, *arguments: str, check: bool = True) -> str:
    """git as a user runs it: with the repository's own configuration."""
    who = {f"GIT_{r}_{w}": "t@x" for r in ("AUTHOR", "COMMITTER") for w in ("NAME", "EMAIL")}
    env = {**os.environ, **who, "GIT_TERMINAL_PROMPT": "0"}
    done = subprocess.run(["git", *arguments], cwd=root, env=env, capture_output=True, text=True,
                          check=check, stdin=subprocess.DEVNULL, timeout=60)  # fmt: skip
    return done.stdout


def make(root: Path) -> Path:
    """A small clean repository with two commits, on branch `main`."""
    shutil.copytree(_template(), root)
    run_git(root, "update-index", "-q", "--refresh")
    return root


@functools.cache
def _template() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="v4agent-tests-"))
    atexit.register(shutil.rmtree, folder)
    root = folder / "repo"
    root.mkdir()
    run_git(root, "init", "-q", "-b", "main")
    (root / "a.py").write_text("one\n")
    (root / "pkg").mkdir()
    (root / "pkg" / "b.py").write_text("two\n")
    (root / ".gitignore").write_text("*.log\n")
    run_git(root, "add", ".")
    run_git(root, "commit", "-q", "-m", "first")
    (root / "pkg" / "b.py").write_text("three\n")
    run_git(root, "commit", "-q", "-am", "second")
    return root


def digest(root: Path) -> dict[str, str]:
    """Path -> type, mode and content of everything below a folder, `.git` included."""
    found = {}
    for parent, folders, names in os.walk(root):
        for name in (*folders, *names):
            path = Path(parent) / name
            mode = os.lstat(path).st_mode
            content = b""
            if stat.S_ISREG(mode):
                content = path.read_bytes()
            elif stat.S_ISLNK(mode):
                content = os.fsencode(path.readlink())
            found[str(path.relative_to(root))] = f"{mode:o} {hashlib.sha256(content).hexdigest()}"
    return found


def plant(name: str, folder: Path) -> Trap:
    """Build one of `TRAPS` in an empty folder."""
    folder.mkdir(parents=True, exist_ok=True)
    script, canary = folder / "evil.sh", folder / "canary"
    script.write_text(f'#!/bin/sh\necho "{name} $0 $*" >> "{canary}"\nexit 1\n')
    script.chmod(0o755)
    trap = Trap(make(folder / "repo"), script, canary)
    TRAPS[name](trap)
    canary.unlink(missing_ok=True)
    return trap


def _config(*keys: str) -> Callable[[Trap], None]:
    def build(trap: Trap) -> None:
        for key in keys:
            run_git(trap.root, "config", key, str(trap.script))

    return build


def _filter(kind: str) -> Callable[[Trap], None]:
    def build(trap: Trap) -> None:
        run_git(trap.root, "config", f"filter.evil.{kind}", str(trap.script))
        _attributes(trap, "*.py filter=evil")

    return build


def _attributes(trap: Trap, line: str) -> None:
    (trap.root / ".gitattributes").write_text(line + "\n")
    (trap.root / ".git" / "info" / "attributes").write_text(line + "\n")
    os.utime(trap.root / "a.py", (1, 1))  # the index no longer knows it


def _hooks(trap: Trap) -> None:
    samples = ("pre-commit", "commit-msg", "prepare-commit-msg", "post-commit", "post-checkout",
               "reference-transaction", "post-index-change", "pre-auto-gc", "post-rewrite",
               "pre-applypatch", "fsmonitor-watchman", "applypatch-msg")  # fmt: skip
    for hook in samples:
        shutil.copy(trap.script, trap.root / ".git" / "hooks" / hook)


def _hooks_path(trap: Trap) -> None:
    _hooks(trap)
    shutil.move(trap.root / ".git" / "hooks", trap.root / "githooks")
    run_git(trap.root, "config", "core.hooksPath", str(trap.root / "githooks"))


def _driver(key: str, attribute: str) -> Callable[[Trap], None]:
    def build(trap: Trap) -> None:
        run_git(trap.root, "config", key, str(trap.script))
        _attributes(trap, f"*.py {attribute}")
        (trap.root / "a.py").write_text("changed\n")

    return build


def _include(trap: Trap) -> None:
    extra = trap.root / "extra.cfg"
    extra.write_text(f"[core]\n\tfsmonitor = {trap.script}\n\thooksPath = {trap.root}/githooks\n")
    (trap.root / "githooks").mkdir()
    shutil.copy(trap.script, trap.root / "githooks" / "reference-transaction")
    run_git(trap.root, "config", "include.path", str(extra))


def _signing(trap: Trap) -> None:
    run_git(trap.root, "config", "gpg.program", str(trap.script))
    run_git(trap.root, "config", "commit.gpgSign", "true")
    run_git(trap.root, "config", "user.signingKey", "x")


def _alias(trap: Trap) -> None:
    for name in ("ls-files", "rev-parse", "st"):
        run_git(trap.root, "config", f"alias.{name}", f"!{trap.script}")


def _submodule(trap: Trap) -> None:
    inner = make(trap.root.parent / "inner")
    run_git(trap.root, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner),
            "sub")  # fmt: skip
    run_git(trap.root, "commit", "-qm", "submodule")
    run_git(trap.root / "sub", "config", "core.fsmonitor", str(trap.script))


def _embedded(trap: Trap) -> None:
    inner = make(trap.root / "embedded")
    run_git(inner, "config", "core.fsmonitor", str(trap.script))
    run_git(inner, "config", "filter.evil.clean", str(trap.script))
    (inner / ".gitattributes").write_text("* filter=evil\n")


def _work_tree(trap: Trap) -> None:
    elsewhere = trap.root.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "secret.txt").write_text("mine\n")
    _config("core.fsmonitor")(trap)
    run_git(trap.root, "config", "core.worktree", str(elsewhere))


def _git_file(trap: Trap) -> None:
    _config("core.fsmonitor")(trap)
    _hooks(trap)
    victim = trap.root.parent / "victim"
    trap.root.rename(victim)
    trap.root.mkdir()
    (trap.root / "a.py").write_text("one\n")
    (trap.root / ".git").write_text(f"gitdir: {victim}/.git\n")


def _promisor(trap: Trap) -> None:
    """A partial clone whose HEAD has to be fetched, through a program."""
    for key, value in {
        "core.repositoryFormatVersion": "1",
        "extensions.partialClone": "origin",
        "remote.origin.url": f"ext::{trap.script}",
        "remote.origin.promisor": "true",
        "protocol.ext.allow": "always",
    }.items():
        run_git(trap.root, "config", key, value)
    (trap.root / ".git" / "refs" / "heads" / "main").write_text("1" * 40 + "\n")


def _transport(trap: Trap) -> None:
    _config("core.sshCommand", "core.gitProxy", "remote.origin.uploadpack",
            "remote.origin.receivepack", "uploadpack.packObjectsHook",
            "core.alternateRefsCommand")(trap)  # fmt: skip
    run_git(trap.root, "config", "remote.origin.url", "ssh://evil.invalid/x")


def _evil_index(trap: Trap) -> None:
    """An index with paths that lead out of the tree and into `.git`."""
    (trap.root / ".git" / "index").write_bytes(
        index_of([b"../outside", b".git/hooks/pre-commit", b"/etc/passwd", b"a.py", b"x/../../y"])
    )
    (trap.root.parent / "outside").write_text("not yours\n")
    _config("core.fsmonitor")(trap)


def index_of(paths: list[bytes]) -> bytes:
    """A version 2 index that names any paths at all."""
    entries = b""
    for path in sorted(paths):
        entry = struct.pack(">10I", *[0] * 6, 0o100644, 0, 0, 0) + b"\x11" * 20
        entry += struct.pack(">H", len(path)) + path
        entries += entry + b"\0" * (8 - len(entry) % 8)
    body = b"DIRC" + struct.pack(">II", 2, len(paths)) + entries
    return body + hashlib.sha1(body).digest()


def _dot_git_attributes(trap: Trap) -> None:
    """A global-looking attributes file and a process filter that is `required`."""
    run_git(trap.root, "config", "filter.evil.process", str(trap.script))
    run_git(trap.root, "config", "filter.evil.required", "true")
    attributes = trap.root / "attributes"
    attributes.write_text("* filter=evil\n")
    run_git(trap.root, "config", "core.attributesFile", str(attributes))
    os.utime(trap.root / "a.py", (1, 1))


def _path_git(trap: Trap) -> None:
    """Programs in the tree with the names of git's helpers."""
    for name in ("git", "git-ls-files", "git-rev-parse", "ssh", "gpg", "less", "cat"):
        shutil.copy(trap.script, trap.root / name)


TRAPS: dict[str, Callable[[Trap], None]] = {
    "fsmonitor": _config("core.fsmonitor"),
    "hooks": _hooks,
    "hooks path": _hooks_path,
    "clean filter": _filter("clean"),
    "smudge filter": _filter("smudge"),
    "process filter": _filter("process"),
    "required filter by attributes file": _dot_git_attributes,
    "external diff": _driver("diff.external", "diff"),
    "diff driver": _driver("diff.evil.command", "diff=evil"),
    "textconv": _driver("diff.evil.textconv", "diff=evil"),
    "merge driver": _driver("merge.evil.driver", "merge=evil"),
    "pager": _config("core.pager", "pager.diff", "pager.config", "pager.rev-parse"),
    "editor": _config("core.editor", "sequence.editor"),
    "askpass and credential helper": _config("core.askPass", "credential.helper"),
    "transport": _transport,
    "signing": _signing,
    "alias": _alias,
    "include": _include,
    "submodule": _submodule,
    "embedded repository": _embedded,
    "core.worktree": _work_tree,
    "git file of another repository": _git_file,
    "promisor remote": _promisor,
    "evil index": _evil_index,
    "programs in the tree": _path_git,
}

TRIGGERS: dict[str, tuple[str, ...]] = {
    "fsmonitor": ("status",),
    "hooks": ("commit", "--allow-empty", "-m", "x"),
    "hooks path": ("commit", "--allow-empty", "-m", "x"),
    "clean filter": ("add", "-A"),
    "smudge filter": ("archive", "HEAD"),
    "process filter": ("add", "-A"),
    "required filter by attributes file": ("add", "-A"),
    "external diff": ("diff",),
    "diff driver": ("diff",),
    "textconv": ("diff",),
    "editor": ("commit", "--allow-empty"),
    "transport": ("fetch", "origin"),
    "signing": ("commit", "--allow-empty", "-m", "x"),
    "alias": ("st",),
    "include": ("status",),
    "submodule": ("status",),
    "embedded repository": ("-C", "embedded", "status"),
    "core.worktree": ("status",),
    "git file of another repository": ("status",),
    "promisor remote": ("rev-parse", "HEAD^{commit}"),
}
