from __future__ import annotations

import pkgutil

import pytest

from v4agent import plugins
from v4agent.errors import UsageError
from v4agent.hookspecs import hookimpl


@pytest.mark.parametrize("kind", ["backends", "edit_formats", "sandboxes", "commands"])
def test_every_registered_part_can_be_imported(kind: plugins.Kind) -> None:
    for path in plugins.registered(kind).values():
        assert pkgutil.resolve_name(path)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        plugins.load("edit_formats", "nope")
    assert "search_replace" in caught.value.hint


def test_a_third_party_adds_a_part_and_cannot_take_over_a_built_in() -> None:
    class Extension:
        @hookimpl
        def v4agent_edit_formats(self) -> dict[str, str]:
            return {"mine": "json:loads", "search_replace": "json:loads"}

    extension = Extension()
    plugins.manager().register(extension)
    try:
        names = plugins.registered("edit_formats")
        assert names["mine"] == "json:loads"
        assert names["search_replace"].startswith("v4agent.")
    finally:
        plugins.manager().unregister(extension)
