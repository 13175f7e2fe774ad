"""Prompts are the templates in this folder; this module only fills them in."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from v4agent.types import Message, Pack, Prompt, Task

if TYPE_CHECKING:
    import jinja2


def first(task: Task, pack: Pack, edit_instructions: str, test_command: str, output: str) -> Prompt:
    """The opening of a conversation: system, then pack, then task (the order that caches keep).

    Args:
        task: the issue and the tests that fail.
        pack: what of the repository the model sees.
        edit_instructions: template that explains the edit format, e.g. `edit_search_replace.jinja`.
        test_command: what will be run to verify.
        output: head and tail of the failing test run, redacted.
    """
    system = _render("system.jinja", edit_instructions=_render(edit_instructions))
    opening = _render(
        "task.jinja", pack=pack.text, task=task, test_command=test_command, output=output
    )
    return Prompt(
        messages=(
            Message(role="system", content=system),
            Message(role="user", content=opening),
        )
    )


def question(text: str, pack: Pack) -> Prompt:
    """A question about a repository, without edits."""
    return Prompt(
        messages=(
            Message(role="system", content=_render("ask_system.jinja")),
            Message(role="user", content=_render("ask.jinja", pack=pack.text, question=text)),
        )
    )


def edits_failed(reason: str) -> Message:
    """Tells the model that nothing of its answer was applied, and why."""
    return Message(role="user", content=_render("edits_failed.jinja", reason=reason))


def tests_failed(still: Sequence[str], broken: Sequence[str], output: str, diff: str) -> Message:
    """Tells the model which tests fail after its edits."""
    return Message(
        role="user",
        content=_render("tests_failed.jinja", still=still, broken=broken, output=output, diff=diff),
    )


@cache
def _environment() -> jinja2.Environment:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.PackageLoader("v4agent", "prompts"),
        undefined=jinja2.StrictUndefined,
        autoescape=False,
        keep_trailing_newline=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _render(template: str, **values: object) -> str:
    return _environment().get_template(template).render(**values)
