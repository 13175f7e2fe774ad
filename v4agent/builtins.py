"""What ships with v4agent, registered through the same hooks as third parties' parts."""

from __future__ import annotations

from v4agent.hookspecs import hookimpl


@hookimpl
def v4agent_backends() -> dict[str, str]:
    """`replay` answers from a journal; every other name goes to the litellm client."""
    return {
        "litellm": "v4agent.backends.client:LitellmBackend",
        "replay": "v4agent.backends.replay:ReplayBackend",
    }


@hookimpl
def v4agent_edit_formats() -> dict[str, str]:
    """The three formats of `edits/`."""
    return {
        "search_replace": "v4agent.edits.search_replace:SearchReplace",
        "unified_diff": "v4agent.edits.unified_diff:UnifiedDiff",
        "whole_file": "v4agent.edits.whole_file:WholeFile",
    }


@hookimpl
def v4agent_sandboxes() -> dict[str, str]:
    """Best first; `none` is used only when it is asked for."""
    return {
        "bubblewrap": "v4agent.sandbox.bubblewrap:Bubblewrap",
        "none": "v4agent.sandbox.plain:Plain",
    }
