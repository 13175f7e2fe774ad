"""Packs a repository on its own, outside of a run: what `pack`, `ask` and `fix --dry-run` share."""

from __future__ import annotations

import os
from pathlib import Path

from v4agent.backends.catalog import Row, find
from v4agent.packer import pack
from v4agent.redaction import Redactor
from v4agent.repo import Repository
from v4agent.settings import Settings, user_models_path
from v4agent.types import Pack
from v4agent.workspace import Progress

NO_MODEL = ("repair", "replay")


def row_for(settings: Settings) -> Row:
    """The catalogue row whose window and tokenizer count; `deepseek` where no model is asked."""
    name = settings.model
    if name.partition(":")[0] in NO_MODEL:
        name = "deepseek"
    return find(name, user_models_path())


def pack_repository(root: Path, task: str, settings: Settings, progress: Progress) -> Pack:
    """Pack the working tree of the repository that `root` lies in.

    Raises:
        RepositoryError: not a git repository.
        UsageError: the budget is too small for anything.
    """
    repository = Repository.open(root)
    row = row_for(settings)
    redactor = Redactor.from_environment(os.environ)
    return pack(
        repository.root,
        repository.files(),
        redactor.scrub(task),
        budget=min(settings.budget, row.input_budget(settings.effort)),
        tokenizer=row.tokenizer,
        redactor=redactor,
        repo_id=repository.identity,
        progress=lambda stage, done, total: progress("tick", f"{stage} {done}/{total}"),
    )
