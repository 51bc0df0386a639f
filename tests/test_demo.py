"""`make demo`: the first thing that a newcomer runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_demo_shows_all_that_it_promises(tmp_path: Path) -> None:
    program = tmp_path / "jobctl"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m jobctl "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    run = subprocess.run(
        ["sh", "examples/demo/run.sh"],
        cwd=ROOT,
        env={**os.environ, "JOBCTL": str(program), "PYTHONPATH": str(ROOT), "COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    assert re.search(r"^failed +1$", run.stdout, re.MULTILINE)
    assert re.search(r"^completed +11$", run.stdout, re.MULTILINE)
    assert (
        "ConnectionError: the server is busy (503)" in run.stdout
    )  # once, then it was retried
    assert 'return float(order["total"])' in run.stdout  # the traceback of the dead one
