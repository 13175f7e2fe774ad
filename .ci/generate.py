"""Writes the README's generated sections (exit codes, settings, models, commands) from the code.

`--check` writes nothing and fails when a section is out of date.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"


def exit_codes() -> str:
    from v4agent.errors import EXIT_CODES

    rows = [f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items()]
    return "\n".join(["| exit code | meaning |", "|---|---|", *rows])


def settings() -> str:
    from v4agent.settings import PROJECT_FIELDS, Settings

    rows = []
    for name, field in Settings.model_fields.items():
        default = "platform's state folder" if name == "state_dir" else repr(field.default)
        project = "yes" if name in PROJECT_FIELDS else ""
        text = " ".join((field.description or "").split())
        rows.append(f"| `{name}` | `V4AGENT_{name.upper()}` | `{default}` | {project} | {text} |")
    head = ["| setting | environment | default | a repository may set it | what it is |"]
    return "\n".join([*head, "|---|---|---|---|---|", *rows])


def models() -> str:
    from v4agent.backends.catalog import rows

    lines = ["| name | litellm id | window | tokens counted by | edit format | prices as of |"]
    lines.append("|---|---|---|---|---|---|")
    lines += [
        f"| `{r.name}` | `{r.litellm_id}` | {r.window:,} | {r.tokenizer} | {r.edit_format}"
        f" | {r.dated} |"
        for r in rows()
    ]
    return "\n".join(lines)


def commands() -> str:
    from typer.main import get_command

    from v4agent.cli.app import app

    group = get_command(app)
    rows = []
    for name, command in sorted(group.commands.items()):  # type: ignore[attr-defined]
        text = (command.help or "").strip().splitlines()[0]
        rows.append(f"| `v4agent {name}` | {text} |")
    return "\n".join(["| command | what it does |", "|---|---|", *rows])


SECTIONS: dict[str, Callable[[], str]] = {
    "exit codes": exit_codes,
    "settings": settings,
    "models": models,
    "commands": commands,
}


def main() -> int:
    old = README.read_text(encoding="utf-8")
    new = old
    for name, make in SECTIONS.items():
        pattern = re.compile(
            rf"(<!-- generated: {re.escape(name)} -->\n).*?(\n<!-- end -->)", re.DOTALL
        )
        if not pattern.search(new):
            sys.stderr.write(f"README.md has no section 'generated: {name}'\n")
            return 1
        text = make()
        new = pattern.sub(lambda m, text=text: m[1] + text + m[2], new)
    if "--check" in sys.argv:
        if new != old:
            sys.stderr.write("README.md is out of date: run .venv/bin/python .ci/generate.py\n")
        return int(new != old)
    README.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
