"""`python -m v4agent`, with the working folder kept off the import path: it may be hostile."""

from __future__ import annotations

import sys
from pathlib import Path


def _drop_working_folder() -> None:
    here = Path.cwd().resolve()
    sys.path[:] = [entry for entry in sys.path if entry and Path(entry).resolve() != here]


if __name__ == "__main__":
    if not sys.flags.safe_path:
        package_root = Path(__file__).resolve().parent.parent
        if Path.cwd().resolve() != package_root:
            _drop_working_folder()
    from v4agent.cli.app import main

    main()
