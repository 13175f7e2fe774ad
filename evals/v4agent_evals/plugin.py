"""Registers the evals' commands with v4agent."""

from __future__ import annotations

from v4agent.hookspecs import hookimpl


@hookimpl
def v4agent_commands() -> dict[str, str]:
    """`v4agent eval ...`."""
    return {"eval": "v4agent_evals.cli:app"}
