"""Whole outputs, kept as files. `make snapshots` writes them anew: read the diff."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = Path(__file__).parent / "snapshots"
#: Set in the environment to write them instead.
WRITE = "JOBCTL_WRITE_SNAPSHOTS"


def check(name: str, text: str) -> None:
    """Compare an output with the one that is kept under a name."""
    path = FOLDER / f"{name}.txt"
    if os.environ.get(WRITE):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
    kept = path.read_bytes().decode("utf-8") if path.exists() else ""
    assert text == kept, (
        f"{path.relative_to(FOLDER.parent)}: `make snapshots`, and read the diff"
    )
