from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import hostile
import pytest

from v4agent.errors import PathRefused, RepositoryError
from v4agent.files import apply_changes
from v4agent.repo import Repository, copying


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def test_it_is_the_tree_as_it_is(root: Path, state: Path) -> None:
    (root / "a.py").write_text("uncommitted\n")
    (root / "new.sh").write_text("#!/bin/sh\n")
    (root / "new.sh").chmod(0o755)
    (root / "noise.log").write_text("")
    (root / "pkg" / "b.py").unlink()
    os.utime(root / "a.py", (1000, 1000))
    with Repository.open(root).scratch(state) as scratch:
        assert (scratch.root / "a.py").read_text() == "uncommitted\n"
        assert (scratch.root / "a.py").stat().st_mtime == 1000
        assert (scratch.root / "new.sh").stat().st_mode & 0o777 == 0o755
        assert sorted(p.name for p in scratch.root.rglob("*")) == [".gitignore", "a.py", "new.sh"]
        assert stat.S_IMODE(scratch.root.parent.stat().st_mode) == 0o700
        assert scratch.changes() == ()
        assert scratch.diff() == ""


def test_links_stay_only_where_they_stay_inside(root: Path, state: Path) -> None:
    links = {
        "file": "a.py",
        "folder": "pkg",
        "pkg/up": "../a.py",
        "dangling": "nowhere",
        "..odd": "a.py",
        "absolute": "/etc/passwd",
        "out": "../outside",
        # by its text this one stays inside; by the link before it, it does not
        "deep/er/s": "../../pkg",
        "deep/er/t": "s/../../etc",
    }
    (root / "deep" / "er").mkdir(parents=True)
    for link, target in links.items():
        (root / link).symlink_to(target)
    repository = Repository.open(root)
    with repository.scratch(state) as scratch:
        kept = {p for p in links if (scratch.root / p).is_symlink()}
    assert kept == {"file", "folder", "pkg/up", "dangling", "..odd", "deep/er/s"}
    assert repository.skipped["deep/er/t"] == "a link out of the working tree"


def test_build_files_are_carried(root: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / ".gitignore").write_text("*.so\n_version.py\n*.egg-info\nbuild\n*.log\n")
    (root / "build").mkdir()
    (root / "x.egg-info").mkdir()
    for name in ("pkg/fast.so", "top.so", "pkg/_version.py", "x.egg-info/PKG-INFO", "build/y.so"):
        (root / name).write_bytes(b"built")
    (root / "pkg" / "link.so").symlink_to("/etc/passwd")
    with Repository.open(root).scratch(state) as scratch:
        copied = {p.relative_to(scratch.root).as_posix() for p in scratch.root.rglob("*")}
        assert {"pkg/fast.so", "top.so", "pkg/_version.py", "x.egg-info/PKG-INFO"} <= copied
        assert not {"build/y.so", "pkg/link.so"} & copied
        (scratch.root / "pkg" / "fast.so").write_bytes(b"rebuilt")
        scratch.reset()
        assert (scratch.root / "pkg" / "fast.so").read_bytes() == b"built"
    monkeypatch.setattr(copying, "CARRIED_BYTES", 12)
    repository = Repository.open(root)
    with repository.scratch(state) as scratch:
        assert (scratch.root / "pkg" / "_version.py").exists()
        assert not (scratch.root / "x.egg-info" / "PKG-INFO").exists()
    assert "build files above" in repository.skipped["x.egg-info/PKG-INFO"]


def test_a_tree_that_is_too_large_is_refused_before_the_copy(
    root: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "MAX_BYTES", 10)
    repository = Repository.open(root)
    with pytest.raises(RepositoryError, match="GiB"), repository.scratch(state):
        pass
    assert list(state.iterdir()) == []


def test_files_that_vanish_or_become_links_are_left_out(root: Path, state: Path) -> None:
    repository = Repository.open(root)
    assert "a.py" in repository.files()
    (root / "a.py").unlink()
    (root / "a.py").symlink_to("/etc/passwd")
    (root / ".gitignore").unlink()
    with repository.scratch(state) as scratch:
        assert not (scratch.root / "a.py").exists()
        assert not (scratch.root / ".gitignore").exists()
    assert "can't be read" in repository.skipped["a.py"]


def test_it_is_gone_after_an_exception(root: Path, state: Path) -> None:
    def work() -> None:
        with Repository.open(root).scratch(state) as scratch:
            (scratch.root / "locked" / "in").mkdir(parents=True)
            (scratch.root / "locked").chmod(0)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert list(state.iterdir()) == []


def test_copies_of_killed_runs_are_removed_and_living_ones_stay(root: Path, state: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom v4agent.repo import Repository\n"
        "with Repository.open(Path(sys.argv[1])).scratch(Path(sys.argv[2])) as s:\n"
        "    print(s.root, flush=True)\n    time.sleep(60)\n"
    )
    children = [
        subprocess.Popen([sys.executable, "-c", code, root, state], stdout=subprocess.PIPE,
                         text=True, cwd=Path(__file__).parents[2])
        for _ in range(2)
    ]  # fmt: skip
    try:
        places = [Path(str(c.stdout and c.stdout.readline()).strip()) for c in children]
        assert all(p.is_dir() for p in places)
        children[0].send_signal(signal.SIGKILL)
        children[0].wait()
        assert places[0].is_dir()
        with Repository.open(root).scratch(state):
            assert not places[0].parent.exists()
            assert places[1].is_dir()
    finally:
        for child in children:
            child.kill()
            child.communicate()


def test_reset_takes_back_whatever_tests_do(root: Path, state: Path) -> None:
    (root / "link").symlink_to("a.py")
    (root / "deep" / "er").mkdir(parents=True)
    (root / "deep" / "er" / "f.py").write_text("deep\n")
    outside = state / "outside"
    with Repository.open(root).scratch(state) as scratch:
        outside.mkdir()
        (outside / "kept").write_text("kept")
        before = hostile.digest(scratch.root)
        (scratch.root / "a.py").write_text("two\n")  # the same size
        (scratch.root / "pkg" / "b.py").unlink()
        (scratch.root / "pkg" / "b.py").mkdir()
        (scratch.root / "link").unlink()
        (scratch.root / "link").write_text("no link")
        (scratch.root / "made" / "x").mkdir(parents=True)
        (scratch.root / "made").chmod(0)
        shutil.rmtree(scratch.root / "deep")
        (scratch.root / "deep").symlink_to(outside)
        (scratch.root / ".gitignore").chmod(0o600)
        os.link(scratch.root / "a.py", scratch.root / "hard")
        scratch.reset()
        assert hostile.digest(scratch.root) == before
        assert (outside / "kept").read_text() == "kept"


def test_a_write_that_hides_its_time_is_seen(root: Path, state: Path) -> None:
    with Repository.open(root).scratch(state) as scratch:
        path = scratch.root / "a.py"
        was = path.stat()
        with path.open("r+b") as handle:
            handle.write(b"two\n")
        os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
        assert [c.path for c in scratch.changes()] == ["a.py"]
        scratch.reset()
        assert path.read_bytes() == b"one\n"


def test_the_whole_copy_may_be_gone(root: Path, state: Path) -> None:
    with Repository.open(root).scratch(state) as scratch:
        shutil.rmtree(scratch.root)
        scratch.root.symlink_to("/etc")
        scratch.reset()
        assert (scratch.root / "a.py").read_text() == "one\n"


def test_restore_puts_back_what_is_named(root: Path, state: Path) -> None:
    with Repository.open(root).scratch(state) as scratch:
        for name in ("a.py", "new.py"):
            (scratch.root / name).write_text("changed\n")
        (scratch.root / "pkg" / "b.py").unlink()
        scratch.restore(["a.py", "new.py"])
        assert [c.path for c in scratch.changes()] == ["pkg/b.py"]
        with pytest.raises(PathRefused):
            scratch.restore(["../outside"])


def test_changes_leave_out_what_is_ignored_or_made_by_tests(root: Path, state: Path) -> None:
    with Repository.open(root).scratch(state) as scratch:
        (scratch.root / "noise.log").write_text("")
        (scratch.root / "pkg" / "__pycache__").mkdir()
        (scratch.root / "pkg" / "__pycache__" / "b.cpython-311.pyc").write_text("")
        (scratch.root / "new.sh").write_text("#!/bin/sh\n")
        (scratch.root / "new.sh").chmod(0o755)
        (scratch.root / "pkg" / "b.py").unlink()
        changes = scratch.changes()
    assert changes == (
        ("new.sh", None, b"#!/bin/sh\n", 0o755),
        ("pkg/b.py", b"three\n", None, None),
    )


def _mangle(tree: Path) -> None:
    """One change of every kind that a diff must carry."""
    (tree / "a.py").write_text("one")  # no newline at the end
    (tree / "crlf.txt").write_bytes(b"1\r\n2\r\nthree\r\n")
    (tree / "sp ace.py").write_text("changed\n")
    (tree / "ünï" / "cödé.py").write_text("changed\n")
    (tree / "script.sh").chmod(0o755)
    (tree / "gone.py").unlink()
    (tree / "tail.py").write_text("x\n")
    (tree / "latin.py").write_bytes(b"# caf\xe9 2\n")
    (tree / "data.bin").write_bytes(bytes(range(256)) * 2)
    (tree / "deep" / "new").mkdir(parents=True)
    (tree / "deep" / "new" / "file.py").write_text("new\n")
    (tree / "empty.py").write_text("")
    (tree / "run.sh").write_text("#!/bin/sh\n")
    (tree / "run.sh").chmod(0o755)


def _furnish(root: Path) -> None:
    (root / "ünï").mkdir()
    for name, content in {
        "crlf.txt": b"1\r\n2\r\n3\r\n", "sp ace.py": b"x\n", "ünï/cödé.py": b"x\n",
        "script.sh": b"#!/bin/sh\n", "gone.py": b"gone\n", "tail.py": b"x",
        "latin.py": b"# caf\xe9\n", "data.bin": bytes(range(256)), "bye.bin": b"\0\1",
    }.items():  # fmt: skip
        (root / name).write_bytes(content)
    # attributes that would hide changes or convert files
    (root / ".gitattributes").write_text("*.txt text eol=lf\n*.py -diff\n")


def _content(tree: Path) -> dict[str, tuple[bytes, int]]:
    return {
        p.relative_to(tree).as_posix(): (p.read_bytes(), p.stat().st_mode & 0o111)
        for p in tree.rglob("*")
        if p.is_file() and ".git" not in p.parts
    }


def test_git_apply_makes_of_the_users_tree_what_the_copy_is(
    root: Path, state: Path, tmp_path: Path
) -> None:
    _furnish(root)
    with Repository.open(root).scratch(state) as scratch:
        _mangle(scratch.root)
        (scratch.root / "bye.bin").unlink()
        diff, wanted = scratch.diff(), _content(scratch.root)
        assert diff == scratch.diff()
    assert "Binary files" not in diff
    assert "+++ b/ünï/cödé.py" in diff
    (root / ".git").rename(tmp_path / "git")  # a plain folder: no attributes, no configuration
    (tmp_path / "patch").write_text(diff, encoding="utf-8", newline="")
    hostile.run_git(root, "apply", "--whitespace=nowarn", str(tmp_path / "patch"))
    assert _content(root) == wanted


@pytest.mark.skipif(shutil.which("patch") is None, reason="patch is not installed")
def test_patch_takes_the_text_part(root: Path, state: Path, tmp_path: Path) -> None:
    _furnish(root)
    with Repository.open(root).scratch(state) as scratch:
        _mangle(scratch.root)
        scratch.restore(["data.bin", "latin.py"])
        diff, wanted = scratch.diff(), _content(scratch.root)
    (root / "patch").write_text(diff, encoding="utf-8", newline="")
    done = subprocess.run(["patch", "--binary", "-p1", "-i", "patch"], cwd=root,
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stdout
    (root / "patch").unlink()
    assert _content(root) == wanted


def test_apply_changes_makes_the_same_of_the_tree(root: Path, state: Path) -> None:
    _furnish(root)
    repository = Repository.open(root)
    with repository.scratch(state) as scratch:
        _mangle(scratch.root)
        (scratch.root / "script.sh").chmod(0o644)  # a mode alone is not a change of content
        repository.apply(scratch.changes())
        assert _content(root) == _content(scratch.root)


def _big(root: Path, files: int) -> None:
    for number in range(files):
        folder = root / "big" / f"p{number // 50}"
        if number % 50 == 0:
            folder.mkdir(parents=True)
        (folder / f"m{number}.py").write_text(f"x = {number}\n" * 100)


def test_a_large_tree_is_copied_and_reset_in_seconds(root: Path, state: Path) -> None:
    _big(root, 7000)
    hostile.run_git(root, "add", ".")
    repository = Repository.open(root)
    seen: list[tuple[int, int]] = []
    started = time.process_time()
    with repository.scratch(state, progress=lambda done, of: seen.append((done, of))) as scratch:
        apply_changes(scratch.root, [])
        (scratch.root / "a.py").write_text("changed\n")
        scratch.reset()
        assert scratch.changes() == ()
    assert len(repository.files()) == 7003
    assert seen[-1] == (7000, 7003)
    assert time.process_time() - started < 15  # 2 to 3 s of our own time on a quiet machine
