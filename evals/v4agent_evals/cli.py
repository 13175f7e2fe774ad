"""`v4agent eval`: measurements, each reproducible by one command."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from v4agent.cli import output
from v4agent.settings import load
from v4agent.types import Value

app = typer.Typer(help="Measure v4agent: what repair really fixes.", no_args_is_help=True)

MaxTime = Annotated[float, typer.Option("--max-time", help="Seconds of search per task.")]
Seed = Annotated[int, typer.Option("--seed", help="Chooses what the search sees.")]
Only = Annotated[list[str] | None, typer.Option("--only", metavar="NAME", help="These alone.")]
Out = Annotated[Path | None, typer.Option("--output", "-o", help="One JSON line per task.")]


@app.command("quixbugs")
def quixbugs(
    checkout: Annotated[Path, typer.Argument(help="A checkout of QuixBugs.")],
    max_time: MaxTime = 60.0,
    seed: Seed = 0,
    only: Only = None,
    out: Out = None,
) -> None:
    """Repair the 40 Python programs of QuixBugs, judged by tests that the search did not see.

    **Example:** `v4agent eval quixbugs ~/QuixBugs --max-time 60`
    """
    from v4agent_evals import quixbugs as suite

    settings = load({"model": "repair", "max_time": max_time}).settings
    results = list(
        suite.run(checkout, settings, seed=seed, only=tuple(only or ()), progress=_Lines(out))
    )
    right = sum(r.right for r in results)
    plausible = sum(r.plausible for r in results)
    output.data(f"right {right}, plausible {plausible}, of {len(results)}")


@app.command("faults")
def faults(
    seed: Seed = 0,
    count: Annotated[int, typer.Option("--count", help="How many faults.")] = 40,
    max_time: MaxTime = 60.0,
    only: Only = None,
    out: Out = None,
) -> None:
    """Repair seeded one-operator faults in pinned libraries from the package index.

    **Example:** `v4agent eval faults --seed 0 --count 40`
    """
    import v4agent_evals.faults as suite

    settings = load({"model": "repair", "max_time": max_time}).settings
    results = list(
        suite.run(settings, seed=seed, count=count, only=tuple(only or ()), progress=_Lines(out))
    )
    right = sum(r.right for r in results)
    plausible = sum(r.plausible for r in results)
    output.data(f"right {right}, plausible {plausible}, of {len(results)}")
    for title, column in (("library", "library"), ("operator", "fault")):
        output.table((title, "right", "of"), _by(results, column))


def _by(results: Sequence[Value], column: str) -> list[tuple[str, str, str]]:
    names = sorted({getattr(r, column) for r in results})
    groups = {n: [r for r in results if getattr(r, column) == n] for n in names}
    return [
        (n, str(sum(getattr(r, "right") for r in g)), str(len(g)))  # noqa: B009
        for n, g in groups.items()
    ]


class _Lines:
    """Shows each result as it comes, and appends it to a file."""

    def __init__(self, out: Path | None) -> None:
        self._out = out

    def __call__(self, result: Value) -> None:
        line = json.dumps(result.model_dump(mode="json"))
        output.say(line)
        if self._out is not None:
            with self._out.open("a", encoding="utf-8") as handle:
                handle.write(line + "\n")
