"""v4agent: from an issue and a repository to a change that passes the tests.

The walk, in the order in which data flows (each is a file or folder of this package):

    repo/            the user's repository as data; a scratch copy to work in
    sandbox/         runs the tests where they can do no harm
    verification.py  baseline, and what a change proves
    packer/          what of the repository goes into the window
    prompts/         pack, edit format and task as a conversation
    backends/        one answer, whole or an error; what it cost
    edits/           the answer's edits, all or none
    repair/          the rung without a model
    agent.py         the walk for one task and one backend
    journal.py       what happened, before it is acted upon
    cli/             the command line

The public API is `fix`, `Settings`, `Task`, `Run`, and the errors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from v4agent.agent import fix
    from v4agent.errors import V4AgentError
    from v4agent.settings import Settings
    from v4agent.types import Run, Task

__all__ = ["Run", "Settings", "Task", "V4AgentError", "fix"]

_HOME = {
    "Run": "v4agent.types",
    "Settings": "v4agent.settings",
    "Task": "v4agent.types",
    "V4AgentError": "v4agent.errors",
    "fix": "v4agent.agent",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Import on first use: `import v4agent` alone costs nothing."""
    if name not in _HOME:
        raise AttributeError(f"module 'v4agent' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOME[name]), name)
