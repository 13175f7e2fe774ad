"""`v4agent eval`: measurements, each reproducible by one command."""

from __future__ import annotations

import typer

app = typer.Typer(help="Measure v4agent.", no_args_is_help=True)
