"""The `v4agent` command: registers the commands, turns errors into text and an exit code."""

from __future__ import annotations

import importlib.metadata
import signal
import sys
from types import FrameType
from typing import Annotated

import typer

from v4agent import plugins
from v4agent.cli import ask, config, demo, doctor, fix, models, output, pack
from v4agent.errors import EXIT_CODES, Interrupted, V4AgentError

EXIT_CODE_HELP = "Exit codes: " + "; ".join(f"{c} {m}" for c, m in EXIT_CODES.items()) + "."

app = typer.Typer(
    name="v4agent",
    help="From an issue and a repository to a change that passes the tests: with DeepSeek V4,"
    " GPT, Claude, a model of your own, or no model at all (repair).",
    epilog=EXIT_CODE_HELP,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(value: bool) -> None:
    if value:
        output.data(f"v4agent {importlib.metadata.version('v4agent')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Options of every command."""


for _module in (demo, fix, pack, ask, models, doctor):
    app.command(_module.__name__.rpartition(".")[2], epilog=EXIT_CODE_HELP)(_module.command)
app.add_typer(config.app, name="config")


def _add_plugin_commands() -> None:
    import pkgutil

    for name, path in sorted(plugins.registered("commands").items()):
        part = pkgutil.resolve_name(path)
        if isinstance(part, typer.Typer):
            app.add_typer(part, name=name)
        else:
            app.command(name)(part)


def _terminated(number: int, frame: FrameType | None) -> None:
    raise Interrupted(f"stopped by {signal.Signals(number).name}")


def main() -> None:
    """Entry point of the console script. Never returns: exits with one of `EXIT_CODES`."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _terminated)
    try:
        _add_plugin_commands()
        code = app(standalone_mode=False) or 0
    except KeyboardInterrupt:
        code = output.error(Interrupted("interrupted"))
    except V4AgentError as error:
        code = output.error(error)
    except BrokenPipeError:
        code = 0  # the reader of our output has seen enough
        sys.stdout = None
    except Exception as error:
        if not hasattr(error, "exit_code"):
            raise
        code = _usage(error)
    sys.exit(code)


def _usage(error: Exception) -> int:
    """Errors of the command-line parser: its own text, its own exit code (2)."""
    show = getattr(error, "show", None)
    if callable(show):
        show()
    return int(getattr(error, "exit_code", 2))
