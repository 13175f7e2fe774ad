"""The hooks through which parts are registered: built-in ones and third parties' alike.

Each hook returns a mapping from a name to an import path `module:attribute`. A path, not an
object: listing what exists must not import it, and the lower layers never import the higher ones.
"""

from __future__ import annotations

import pluggy

PROJECT = "v4agent"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def v4agent_backends() -> dict[str, str]:  # type: ignore[empty-body]
    """Backends with a client of their own: name -> `module:Class` (see `backends/base.py`)."""


@hookspec
def v4agent_edit_formats() -> dict[str, str]:  # type: ignore[empty-body]
    """Edit formats: name -> `module:Class` (see `edits/base.py`)."""


@hookspec
def v4agent_sandboxes() -> dict[str, str]:  # type: ignore[empty-body]
    """Sandboxes, best first: name -> `module:Class` (see `sandbox/base.py`)."""


@hookspec
def v4agent_commands() -> dict[str, str]:  # type: ignore[empty-body]
    """Command-line commands: name -> `module:typer_app_or_function`."""
