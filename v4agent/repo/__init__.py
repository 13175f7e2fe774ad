"""The user's repository, read as data: nothing that its configuration names is ever run."""

from __future__ import annotations

from v4agent.repo.create import create
from v4agent.repo.diff import diff_texts
from v4agent.repo.repository import Repository
from v4agent.repo.scratch import Scratch

__all__ = ["Repository", "Scratch", "create", "diff_texts"]
