"""`v4agent config`: what is set, from where, and what could be."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from v4agent.cli import options, output
from v4agent.settings import Settings, load, user_config_path

app = typer.Typer(help="Show the settings, their sources and their schema.", no_args_is_help=True)


@app.command("show")
def show(folder: options.Folder = Path(), as_json: options.Json = False) -> None:
    """Show each setting with its value and where it came from.

    **Example:** `V4AGENT_MODEL=claude v4agent config show`
    """
    resolved = load({}, folder)
    output.warnings(resolved.warnings)
    values = resolved.settings.model_dump(mode="json")
    if as_json:
        output.document(
            {
                "settings": {
                    n: {"value": v, "source": resolved.sources[n]} for n, v in values.items()
                }
            }
        )
        return
    rows = [(n, json.dumps(v), resolved.sources[n]) for n, v in values.items()]
    output.table(("setting", "value", "source"), rows)


@app.command("path")
def path() -> None:
    """Print the path of the user's settings file."""
    output.data(str(user_config_path()))


@app.command("schema")
def schema() -> None:
    """Print the JSON schema of the settings files."""
    output.data(json.dumps(Settings.model_json_schema(), indent=2))
