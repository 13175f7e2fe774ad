"""The one place that prints. Data goes to stdout, everything else to stderr.

Untrusted text (paths, test output, model answers, provider errors) passes `sanitize` here.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel

from v4agent.errors import V4AgentError
from v4agent.terminal import sanitize
from v4agent.types import SCHEMA_VERSION

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status


RECORDED_WIDTH = 110


@cache
def console(stderr: bool = True) -> Console:
    """The rich console of a stream; honours NO_COLOR, FORCE_COLOR and TERM."""
    from rich.console import Console

    if _recorder:
        return _recorder[0]
    return Console(stderr=stderr, highlight=False, soft_wrap=True)


_recorder: list[Console] = []


def start_recording() -> None:
    """Send both streams to one recording console of a fixed width, on stderr."""
    from rich.console import Console

    _recorder.append(
        Console(
            stderr=True,
            record=True,
            width=RECORDED_WIDTH,
            force_terminal=True,
            highlight=False,
            color_system="truecolor",
        )
    )
    console.cache_clear()


def save_recording(path: Path, title: str) -> None:
    """Write what was shown since `start_recording` as an SVG."""
    _recorder[0].save_svg(str(path), title=title)


def data(text: str) -> None:
    """Print data on stdout, exactly (no colour, no wrapping)."""
    sys.stdout.write(text if text.endswith("\n") or not text else text + "\n")
    sys.stdout.flush()


def document(value: BaseModel | dict[str, object]) -> None:
    """Print one JSON document on stdout, with its `schema_version`."""
    body = value.model_dump(mode="json") if isinstance(value, BaseModel) else dict(value)
    body.setdefault("schema_version", SCHEMA_VERSION)
    data(json.dumps(body, indent=2, ensure_ascii=False))


def say(text: str, style: str = "") -> None:
    """Print one sanitized line on stderr."""
    console().print(sanitize(text), style=style or None, markup=False)


def diff(text: str) -> None:
    """Print a diff on stdout: coloured on a terminal, byte for byte elsewhere."""
    out = console(stderr=False)
    if not out.is_terminal:
        data(text)
        return
    colours = {"+": "green", "-": "red", "@": "cyan"}
    for line in text.splitlines():
        bold = line.startswith(("+++", "---", "diff "))
        out.print(sanitize(line), style="bold" if bold else colours.get(line[:1], ""), markup=False)


def error(problem: V4AgentError) -> int:
    """Print `error:` and `hint:`; returns the exit code."""
    failure(problem.message, problem.hint)
    return problem.exit_code


def failure(message: str, hint: str) -> None:
    """Print what happened and what to do about it."""
    err = console()
    err.print("error:", style="bold red", end=" ")
    err.print(sanitize(message), markup=False)
    if hint:
        err.print("hint:", style="cyan", end=" ")
        err.print(sanitize(hint), markup=False)


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table on stdout; tab-separated where stdout is no terminal."""
    clean = [[sanitize(cell).replace("\n", " ").replace("\t", " ") for cell in row] for row in rows]
    out = console(stderr=False)
    if not out.is_terminal:
        data("\n".join("\t".join(cells) for cells in [list(headings), *clean]))
        return
    from rich import box
    from rich.table import Table

    drawn = Table(*headings, box=box.SIMPLE_HEAD)
    for cells in clean:
        drawn.add_row(*(_escaped(cell) for cell in cells))
    out.print(drawn)


def row(mark: str, style: str, name: str, text: str) -> None:
    """Print a marked row on stdout; the mark says the same as its colour."""
    out = console(stderr=False)
    out.print(mark, style=style or None, end="  ", markup=False)
    out.print(name, end="", markup=False)
    out.print(sanitize(text), markup=False)


def warnings(texts: tuple[str, ...]) -> None:
    """Print `warning:` lines."""
    for text in texts:
        console().print("warning:", style="yellow", end=" ")
        console().print(sanitize(text), markup=False)


class Stages:
    """Progress: a spinner with the current stage on a terminal, one line per stage elsewhere."""

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet
        self._started = time.monotonic()
        self._status: Status | None = None

    def __call__(self, stage: str, text: str) -> None:
        """Report a stage. `tick` replaces the spinner's text and leaves no line."""
        if self._quiet:
            return
        text = sanitize(text).replace("\n", " ")
        if stage == "tick":
            if self._status is not None:
                self._status.update(_escaped(text))
            return
        seconds = time.monotonic() - self._started
        err = console()
        err.print(f"{seconds:6.1f}s ", style="dim", end="")
        err.print(f"{stage:<9}", style="bold", end=" ")
        err.print(text, markup=False)
        if self._status is not None:
            self._status.update(_escaped(text))

    @contextmanager
    def live(self) -> Iterator[Stages]:
        """Show a spinner while the block runs, on a terminal only."""
        if self._quiet or not console().is_terminal:
            yield self
            return
        with console().status("starting") as self._status:
            yield self
        self._status = None


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)
