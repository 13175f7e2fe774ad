"""`v4agent doctor`: checks this machine."""

from __future__ import annotations

from pathlib import Path

import typer

from v4agent.cli import options, output
from v4agent.settings import load

MARKS = {"ok": ("ok  ", "green"), "warn": ("warn", "yellow"), "fail": ("FAIL", "bold red")}


def command(folder: options.Folder = Path(), as_json: options.Json = False) -> None:
    """Check this machine: sandbox, git, keys (never their values), prices, settings.

    Exits with 1 when a row fails.

    **Examples**

    `v4agent doctor`

    `v4agent doctor --json`
    """
    from v4agent.doctor import checks

    found = checks(load({}, folder))
    failed = any(check.status == "fail" for check in found)
    if as_json:
        output.document(
            {
                "overall_status": "fail" if failed else "ok",
                "checks": [check.model_dump(mode="json") for check in found],
            }
        )
    else:
        for check in found:
            mark, style = MARKS[check.status]
            output.row(mark, style, f"{check.name:<22}", check.summary)
            if check.remedy:
                output.row("    ", "", " " * 22, f"-> {check.remedy}")
    raise typer.Exit(1 if failed else 0)
