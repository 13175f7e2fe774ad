"""`v4agent fix`: from an issue and a repository to a verified change."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from v4agent.cli import options, output
from v4agent.cli.report import show_run
from v4agent.errors import UsageError
from v4agent.types import Task

HELP_FINISH = "when the change is verified (default: print the diff)"


def command(
    issue: Annotated[
        str | None,
        typer.Argument(
            help="Text, a file, or - for stdin. Without it the failing test is the issue."
        ),
    ] = None,
    folder: options.Folder = Path(),
    test: Annotated[
        str | None,
        typer.Option(
            "--test", metavar="CMD", help="Command that runs the tests (found if not set)."
        ),
    ] = None,
    model: options.Model = None,
    api_base: options.ApiBase = None,
    effort: options.Effort = None,
    failing: Annotated[
        list[str] | None,
        typer.Option("--failing", metavar="TEST", help="Id of a failing test that must pass."),
    ] = None,
    apply: Annotated[
        bool, typer.Option("--apply", help=f"Change your files {HELP_FINISH}.")
    ] = False,
    commit: Annotated[bool, typer.Option("--commit", help=f"Commit {HELP_FINISH}.")] = False,
    budget: options.Budget = None,
    max_cost: options.MaxCost = None,
    max_rounds: Annotated[
        int | None, typer.Option("--max-rounds", metavar="N", help="Answers of the model at most.")
    ] = None,
    max_time: Annotated[
        float | None, typer.Option("--max-time", metavar="SECONDS", help="Time for the whole run.")
    ] = None,
    test_timeout: Annotated[
        float | None,
        typer.Option("--test-timeout", metavar="SECONDS", help="Time for one test run."),
    ] = None,
    sandbox: Annotated[
        str | None,
        typer.Option("--sandbox", metavar="NAME", help="auto, bubblewrap or none (unconfined!)."),
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option("--allow", metavar="GLOB", help="Protected paths that edits may touch."),
    ] = None,
    allow_unpriced: Annotated[
        bool | None,
        typer.Option("--allow-unpriced", help="Call a model whose price is unknown."),
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(
            "--resume", metavar="RUN", help="Use the paid answers of an earlier run again."
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", "-n", help="Pack, count, price on every backend; send nothing."),
    ] = False,
    out: options.Output = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Fix an issue or a failing test, and verify the change with the tests.

    Your files are not touched: the work happens in a scratch copy, the tests run in a sandbox,
    and a verified change is printed as a diff (or applied, or committed, where you ask for it).

    **Examples**

    `v4agent fix -m repair`  a slip of one edit, found without a model and without a key

    `v4agent fix "total() ignores the discount" --test "pytest -q tests/test_cart.py" --commit`

    `v4agent fix issue.md -m claude --max-cost 0.50 --json > receipt.json`

    `v4agent fix -m openai/qwen --api-base http://127.0.0.1:8080/v1 --apply`

    `v4agent fix issue.md --dry-run`  what it would cost on every backend
    """
    if apply and commit:
        raise UsageError("--apply and --commit exclude each other", hint="--commit also applies")
    text, source = options.text_from(issue)
    flags: dict[str, Any] = {
        "model": model,
        "api_base": api_base,
        "effort": effort,
        "test": test,
        "budget": budget,
        "max_cost": max_cost,
        "max_rounds": max_rounds,
        "max_time": max_time,
        "test_timeout": test_timeout,
        "sandbox": sandbox,
        "allow": tuple(allow) if allow else None,
        "allow_unpriced": allow_unpriced,
    }
    settings = options.settings(folder, **flags)
    task = Task(text=text, source=source)
    if dry_run:
        from v4agent.cli.price import show_prices

        show_prices(task, folder, settings, as_json)
        return
    from v4agent.agent import fix

    stages = output.Stages(quiet)
    with stages.live():
        run = fix(
            task,
            folder,
            settings,
            finish="commit" if commit else "apply" if apply else "diff",
            targets=failing or (),
            resume=resume,
            progress=stages,
        )
    show_run(run, out=out, as_json=as_json, quiet=quiet, verbose=verbose)
    raise typer.Exit(run.exit_code)
