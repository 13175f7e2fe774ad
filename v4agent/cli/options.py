"""Options that several commands share: same name, same meaning everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from v4agent.cli import output
from v4agent.settings import Settings, load

Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="NAME",
        help="Catalogue name (deepseek, deepseek-pro, gpt, claude ...), any litellm id"
        " (openai/x), repair (no model), or replay:FILE.",
    ),
]
ApiBase = Annotated[
    str | None,
    typer.Option("--api-base", metavar="URL", help="OpenAI-compatible server, https or loopback."),
]
Effort = Annotated[
    str | None, typer.Option("--effort", metavar="LEVEL", help="Reasoning effort (low, high ...).")
]
Folder = Annotated[Path, typer.Option("--cd", "-C", metavar="DIR", help="The repository's folder.")]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write there, not to stdout.")
]
Budget = Annotated[
    int | None,
    typer.Option("--budget", metavar="TOKENS", help="Tokens of the repository in the prompt."),
]
MaxCost = Annotated[
    float | None, typer.Option("--max-cost", metavar="USD", help="Stop before this is exceeded.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="More detail on stderr.")]


def settings(project: Path | None, **flags: object) -> Settings:
    """Settings from all sources; prints the warnings of the project's file."""
    resolved = load(flags, project)
    output.warnings(resolved.warnings)
    return resolved.settings


def text_from(argument: str | None) -> tuple[str, str]:
    """The text that an argument means: `-` is stdin, an existing file its content, else itself.

    Returns:
        The text and its source (`stdin`, the file's path, or `text`).
    """
    import sys

    from v4agent.errors import UsageError

    if argument is None:
        return "", "failing test"
    if argument == "-":
        return sys.stdin.read(), "stdin"
    try:
        path = Path(argument)
        if path.is_file():
            return path.read_text(encoding="utf-8", errors="replace"), str(path)
    except OSError:
        pass  # too long for a file name: it is the text itself
    if argument.startswith(("http://", "https://")):
        raise UsageError(
            "reading an issue from a URL is not built yet",
            hint="paste the text, or pipe it: ... | v4agent fix -",
        )
    return argument, "text"
