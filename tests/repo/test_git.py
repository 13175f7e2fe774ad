from __future__ import annotations

import ast
import os
from pathlib import Path

import hostile
import pytest

from v4agent.errors import RepositoryError
from v4agent.repo.git import git, private_dir, setting

SOURCES = sorted(
    p
    for folder in ("v4agent", "evals", "plugins")
    for p in (Path(__file__).parents[2] / folder).rglob("*.py")
)


def _calls_git(path: Path) -> list[str]:
    """Imports of GitPython, and literal argument lists or command lines that begin with git."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [a.name for a in node.names if a.name.split(".")[0] == "git"]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "git":
            found.append(str(node.module))
        elif isinstance(node, ast.List | ast.Tuple) and node.elts:
            first = node.elts[0]
            argument = isinstance(first, ast.Constant) and first.value == "git"
            if argument and isinstance(node, ast.List):
                found.append(ast.unparse(node))
        elif isinstance(node, ast.Call):
            found += _commands(node)
    return found


def _commands(node: ast.Call) -> list[str]:
    name = ast.unparse(node.func)
    if not name.startswith(("subprocess.", "os.")):
        return []
    words = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    return [ast.unparse(node) for w in words if w.split()[:1] == ["git"]]


def test_no_other_module_calls_git() -> None:
    assert len(SOURCES) > 20
    places = {p.relative_to(p.parents[2]) for p in SOURCES if _calls_git(p)}
    assert places == {Path("v4agent/repo/objects.py")}
    starters = {
        p.name
        for p in SOURCES
        if p.parent.name == "repo" and "subprocess" in p.read_text(encoding="utf-8")
    }
    assert starters == {"git.py"}


def test_git_sees_nothing_of_our_environment(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "user.name")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "leaked")
    (tmp_path / "home" / ".gitconfig").write_text("[user]\n\tname = leaked\n")
    private = private_dir(tmp_path / "private", root / ".git" / "objects")
    assert b"leaked" not in git("config", "--list", git_dir=private)


def test_a_failure_says_what_git_said(tmp_path: Path, root: Path) -> None:
    private = private_dir(tmp_path / "private", root / ".git" / "objects")
    with pytest.raises(RepositoryError, match=r"git cat-file failed: .*nowhere"):
        git("cat-file", "-t", "nowhere", git_dir=private)


def test_a_fifo_in_the_place_of_a_file_does_not_stop_us(tmp_path: Path, root: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    hostile.run_git(root, "config", "include.path", str(tmp_path / "fifo"))
    with pytest.raises(RepositoryError, match=r"did not end in 1 s"):
        git("rev-parse", "HEAD", git_dir=root / ".git", timeout=1)


@pytest.mark.parametrize("name", ["plain", "with space", '"quoted"', "#hash", "new\nline", "ünï"])
def test_objects_are_borrowed_whatever_the_folder_is_called(name: str, tmp_path: Path) -> None:
    root = hostile.make(tmp_path / name)
    private = private_dir(tmp_path / "private", root / ".git" / "objects")
    head = hostile.run_git(root, "rev-parse", "HEAD").strip()
    assert git("cat-file", "-t", head, git_dir=private) == b"commit\n"


def test_objects_of_objects_are_borrowed(tmp_path: Path, root: Path) -> None:
    clone = tmp_path / "clone"
    hostile.run_git(tmp_path, "clone", "-q", "--shared", str(root), str(clone))
    head = hostile.run_git(clone, "rev-parse", "HEAD").strip()
    assert not list((clone / ".git/objects").glob("[0-9a-f][0-9a-f]"))
    private = private_dir(tmp_path / "private", clone / ".git" / "objects")
    assert git("cat-file", "-t", head, git_dir=private) == b"commit\n"


def test_settings_are_read_as_the_user_set_them(tmp_path: Path, root: Path) -> None:
    (tmp_path / "home" / ".gitconfig").write_text("[user]\n\tname = Global\n")
    assert setting("user.name", root / ".git") == ("Global",)
    hostile.run_git(root, "config", "user.name", "Local")
    assert setting("user.name", root / ".git") == ("Global", "Local")
    assert setting("user.name", None) == ("Global",)


def test_a_broken_configuration_sets_nothing(root: Path) -> None:
    (root / ".git" / "config").write_text("[broken")
    assert setting("user.name", root / ".git") == ()
