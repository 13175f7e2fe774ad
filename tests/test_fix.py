"""`fix` end to end: a real repository, a real sandbox, a loopback server that answers as one."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from v4agent.agent import fix
from v4agent.errors import KeyMissing, SandboxUnavailable, UsageError
from v4agent.repo import create
from v4agent.sandbox.base import choose
from v4agent.settings import Settings
from v4agent.types import Task

BLOCK = "m.py\n```python\n<<<<<<< SEARCH\n{0}\n=======\n{1}\n>>>>>>> REPLACE\n```\n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    try:
        choose()
    except SandboxUnavailable as error:
        pytest.skip(error.message)
    root = tmp_path / "project"
    root.mkdir()
    (root / "m.py").write_text("def total(a, b):\n    return a - b\n")
    (root / "test_m.py").write_text(
        "from m import total\n\n\ndef test_total():\n    assert total(2, 3) == 5\n\n\n"
        "def test_zero():\n    assert total(0, 0) == 0\n"
    )
    create(root, "first")
    return root


@pytest.fixture
def server() -> Iterator[tuple[str, list[str]]]:
    answers: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.end_headers()
            base = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "x"}
            for delta, end in (({"content": answers.pop(0)}, None), ({}, "stop")):
                choice = {"index": 0, "delta": delta, "finish_reason": end}
                self.wfile.write(f"data: {json.dumps(base | {'choices': [choice]})}\n\n".encode())
            self.wfile.write(b"data: [DONE]\n\n")

    found = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=found.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{found.server_address[1]}/v1", answers
    found.shutdown()
    found.server_close()


def settings(tmp_path: Path, **more: object) -> Settings:
    test = f"{sys.executable} -m pytest -q -p no:randomly"
    return Settings.model_validate({"state_dir": tmp_path / "state", "test": test, **more})


def test_repair_fixes_and_applies_without_a_model(repository: Path, tmp_path: Path) -> None:
    run = fix(Task(), repository, settings(tmp_path, model="repair"), finish="apply")
    assert (run.status, run.exit_code, run.cost_usd) == ("resolved", 0, 0.0)
    assert (repository / "m.py").read_text() == "def total(a, b):\n    return a + b\n"


@pytest.mark.filterwarnings("ignore")
def test_a_model_is_told_what_failed_until_the_tests_pass(
    repository: Path, tmp_path: Path, server: tuple[str, list[str]]
) -> None:
    url, answers = server
    answers += [
        BLOCK.format("    return a / b", "    return a + b"),
        BLOCK.format("    return a - b", "    return a * b"),
        BLOCK.format("    return a - b", "    return a + b"),
    ]
    chosen = settings(tmp_path, model="openai/x", api_base=url)
    run = fix(Task(text="total is wrong"), repository, chosen)
    assert (run.status, len(run.attempts)) == ("resolved", 3)
    assert "+    return a + b" in run.diff
    assert (repository / "m.py").read_text().endswith("a - b\n")
    replayed = fix(
        Task(text="total is wrong"), repository, settings(tmp_path, model=f"replay:{run.journal}")
    )
    assert replayed.diff == run.diff


def test_a_missing_key_and_a_foreign_url_end_before_anything_is_run(
    repository: Path, tmp_path: Path
) -> None:
    with pytest.raises(KeyMissing, match="DEEPSEEK_API_KEY"):
        fix(Task(text="x"), repository, settings(tmp_path, model="deepseek"))
    with pytest.raises(UsageError, match="neither https"):
        fix(Task(), repository, settings(tmp_path, model="openai/x", api_base="http://h.invalid"))
    assert not (tmp_path / "state").exists()
