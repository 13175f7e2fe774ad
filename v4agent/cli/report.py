"""Shows the receipt of a run to a person, or as JSON."""

from __future__ import annotations

from pathlib import Path

from v4agent.cli import output
from v4agent.types import RepairReport, Run

SHOWN_LINES = 5
SHOWN_ALTERNATIVES = 3
STYLES = {"resolved": "bold green", "unverified": "bold yellow"}


def show_run(run: Run, *, out: Path | None, as_json: bool, quiet: bool, verbose: bool) -> None:
    """Print the diff (stdout) and the verdict, evidence and cost (stderr)."""
    if as_json:
        output.document(run)
    elif run.diff and run.status in ("resolved", "unverified"):
        if out is not None:
            out.write_text(run.diff, encoding="utf-8", newline="")
        else:
            output.diff(run.diff)
    if as_json and out is not None:
        out.write_text(run.diff, encoding="utf-8", newline="")
    if run.error_shown:
        output.failure(run.reason, run.hint)
    if quiet:
        return
    if run.repair is not None:
        _repair(run.repair, verbose)
    _verdict(run)


def _verdict(run: Run) -> None:
    style = STYLES.get(run.status, "bold red")
    output.say(f"{run.status}: {run.reason}", style)
    cost = (
        "unknown cost" if run.cost_usd is None else f"${run.cost_usd:.4f}".rstrip("0").ljust(5, "0")
    )
    tokens = run.usage.prompt_tokens + run.usage.completion_tokens
    output.say(f"cost: {cost}, {tokens:,} tokens, {run.seconds:.1f} s, sandbox {run.sandbox}")
    if run.commit:
        output.say(f"committed: {run.commit}")
    elif run.applied:
        output.say("applied to your working tree")
    elif run.status == "resolved":
        output.say("your files are unchanged; take it with --apply or --commit")
    if run.hint and not run.error_shown:
        output.say(f"hint: {run.hint}", "cyan")
    output.say(f"journal: {run.journal}", "dim")


def _repair(report: RepairReport, verbose: bool) -> None:
    if report.suspicious:
        output.say("suspicious lines (Ochiai: run by failing tests, less by passing ones):")
        count = len(report.suspicious) if verbose else SHOWN_LINES
        for line in report.suspicious[:count]:
            output.say(f"  {line.score:.2f}  {line.path}:{line.line}  {line.text.strip()}")
    if not report.plausible:
        return
    best, *others = report.plausible
    output.say(
        f"plausible fix by operator '{best.operator}' at {best.path}:{best.line}"
        f" (candidate {report.tried} of {report.generated})"
    )
    if best.covering_tests == 1:
        output.say("warning: one test alone runs this line: read the change with care", "yellow")
    for other in others[:SHOWN_ALTERNATIVES]:
        output.say(f"also plausible: '{other.operator}' at {other.path}:{other.line}")
