"""`v4agent demo`: watch a real bug in a real library being found, fixed and verified."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from v4agent.cli import options, output
from v4agent.cli.report import show_run

NEXT_STEPS = """What next:
  your own repository     v4agent fix -C REPO -m repair          slips of one edit, no key
  with DeepSeek's key     DEEPSEEK_API_KEY=... v4agent fix "what is wrong" -C REPO
  a server or local model v4agent fix ISSUE -m openai/NAME --api-base http://127.0.0.1:8080/v1
                          (llama.cpp, vLLM, Ollama: any OpenAI-compatible URL)
  the price beforehand    v4agent fix ISSUE -C REPO --dry-run"""


def command(
    name: Annotated[str | None, typer.Argument(help="Which demo (see --list).")] = None,
    model: options.Model = None,
    api_base: options.ApiBase = None,
    keep: Annotated[
        Path | None, typer.Option("--keep", metavar="DIR", help="Keep the repository there.")
    ] = None,
    sandbox: Annotated[
        str | None, typer.Option("--sandbox", metavar="NAME", help="auto, bubblewrap or none.")
    ] = None,
    allow_unpriced: Annotated[
        bool | None, typer.Option("--allow-unpriced", help="Call a model of unknown price.")
    ] = None,
    listing: Annotated[bool, typer.Option("--list", help="List the demos.")] = False,
    record: Annotated[
        Path | None, typer.Option("--record", metavar="FILE", help="Save the screen as an SVG.")
    ] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Fix a real bug of a real library, without a key: fetched, found, fixed, verified.

    Needs the package index and nothing else on the network.

    **Examples**

    `v4agent demo`

    `v4agent demo --keep /tmp/demo`  and look at the repository afterwards

    `DEEPSEEK_API_KEY=... v4agent demo -m deepseek`  the same bug with a model
    """
    from v4agent.demo import pick, prepared, run, scenarios

    if listing:
        rows = [(s.name, s.kind, f"{s.package} {s.source.version}") for s in scenarios().values()]
        output.table(("name", "kind", "library"), rows)
        return
    if record is not None:
        output.start_recording()
    settings = options.settings(
        None,
        model=model or "repair",
        api_base=api_base,
        sandbox=sandbox,
        allow_unpriced=allow_unpriced,
    )
    scenario = pick(name)
    stages = output.Stages(quiet)
    if not quiet:
        output.say(f"{scenario.package} {scenario.source.version}: {_kind(scenario.kind)}", "bold")
        output.say(f"reported: {scenario.issue}")
    with prepared(scenario, keep, stages) as demo:
        with stages.live():
            result = run(demo, settings.model_copy(update={"test": demo.test}), stages)
        show_run(result, out=None, as_json=as_json, quiet=quiet, verbose=False)
        if keep is not None:
            output.say(f"the repository is kept at {keep}")
    if not quiet:
        output.say(NEXT_STEPS)
    if record is not None:
        output.save_recording(record, "v4agent demo")
    raise typer.Exit(result.exit_code)


def _kind(kind: str) -> str:
    if kind == "real bug":
        return "a real bug of this release, shown by the tests of the next one"
    return "a real library with a fault that the demo puts in"
