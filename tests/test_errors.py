from __future__ import annotations

import inspect
import re

from v4agent import errors


def classes() -> list[type[errors.V4AgentError]]:
    return [
        c
        for _, c in inspect.getmembers(errors, inspect.isclass)
        if issubclass(c, errors.V4AgentError)
    ]


def test_every_exit_code_is_in_the_table() -> None:
    assert {c.exit_code for c in classes()} <= set(errors.EXIT_CODES)


def test_the_drawn_tree_is_the_real_one() -> None:
    drawn = dict(re.findall(r"(\w+) +(\d+)\b", errors.__doc__ or ""))
    missing = [c.__name__ for c in classes() if drawn.get(c.__name__) != str(c.exit_code)]
    assert missing == []


def test_every_error_has_a_hint_and_a_docstring() -> None:
    for c in classes():
        assert c("what happened").hint
        assert c.__doc__
