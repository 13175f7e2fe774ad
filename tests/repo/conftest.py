"""Repositories to work on."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import hostile


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A clean repository with `a.py`, `pkg/b.py` and two commits on `main`."""
    return hostile.make(tmp_path / "repo")
