"""A store that a newer jobctl wrote: each command refuses it by name, exit 5, and leaves it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import ROOT

COMMANDS = (
    "add x", "add x --id b", "list", "list status:failed", "show a", "logs a", "follow a",
    "wait a", "explain a", "retry a", "cancel a", "delete a", "cleanup --older-than 7d",
    "stats", "pause x", "resume", "run --burst", "health", "doctor", "doctor --repair",
    "backup b.tar", "export", "schedule list",
)  # fmt: skip


def jobctl(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "JOBCTL_STORE": str(folder / "store"),
        "HOME": str(folder),
    }
    command = [sys.executable, "-m", "jobctl", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, timeout=60
    )


@pytest.mark.slow
def test_every_command_refuses_it_by_name(tmp_path: Path) -> None:
    assert jobctl(tmp_path, "add", "x", "--id", "a").returncode == 0
    header = tmp_path / "store" / "store.json"
    header.write_text(json.dumps({"format": 2, "id": json.loads(header.read_text())["id"]}))
    before = {p: p.read_bytes() for p in (tmp_path / "store").rglob("*") if p.is_file()}
    for command in COMMANDS:
        done = jobctl(tmp_path, *command.split())
        # To `health` it is a store that is not well.
        code = 1 if command == "health" else 5
        assert done.returncode == code, (command, done.stdout, done.stderr)
        assert "format 2" in done.stderr + done.stdout, command
        assert "Traceback" not in done.stderr
    assert {p: p.read_bytes() for p in (tmp_path / "store").rglob("*") if p.is_file()} == before
    assert not (tmp_path / "b.tar").exists()
