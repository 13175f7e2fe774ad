"""Finds and loads registered parts: built-ins first, then the entry-point group `v4agent`."""

from __future__ import annotations

import functools
import pkgutil
from typing import Any, Literal

import pluggy

from v4agent import builtins, hookspecs
from v4agent.errors import UsageError

Kind = Literal["backends", "edit_formats", "sandboxes", "commands"]


@functools.cache
def manager() -> pluggy.PluginManager:
    """The plugin manager of this process, with built-ins and entry points registered."""
    found = pluggy.PluginManager(hookspecs.PROJECT)
    found.add_hookspecs(hookspecs)
    found.load_setuptools_entrypoints(hookspecs.PROJECT)
    found.register(builtins, "builtins")
    return found


def registered(kind: Kind) -> dict[str, str]:
    """Name -> import path of every part of a kind. A built-in name can't be taken over."""
    names: dict[str, str] = {}
    hook = f"v4agent_{kind}"
    for mapping in (getattr(builtins, hook, dict)(), *getattr(manager().hook, hook)()):
        for name, path in mapping.items():
            names.setdefault(name, path)
    return names


def load(kind: Kind, name: str) -> Any:  # noqa: ANN401 - the caller knows the kind's protocol
    """Import one part.

    Raises:
        UsageError: nothing is registered under that name.
    """
    names = registered(kind)
    if name not in names:
        known = ", ".join(sorted(names)) or "none"
        raise UsageError(f"unknown {kind.replace('_', ' ')[:-1]} {name!r}", hint=f"known: {known}")
    return pkgutil.resolve_name(names[name])
