"""A FIFO, a link or a folder where the store has a file: nobody waits for it or follows it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import ROOT

NAMES = (
    "store.json",
    "index.sqlite",
    "locks/write.lock",
    "locks/daemon.pid",
    "daemon.json",
    "handlers.json",
    "rates.json",
    "clock.json",
    "logs/a.log",
    "progress/a",
    "journal/00000001.jsonl",
)
COMMANDS = (("list",), ("add", "x"), ("explain", "a"), ("logs", "a"), ("doctor",), ("health",))


def jobctl(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "JOBCTL_STORE": str(folder)}
    command = [sys.executable, "-m", "jobctl", *arguments]
    # What waits for a FIFO waits for ever.
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["fifo", "link", "folder"])
@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_file_of_ours(kind: str, name: str, tmp_path: Path) -> None:
    store, mine = tmp_path / "odd", tmp_path / "mine"
    assert jobctl(store, "add", "x", "--id", "a").returncode == 0
    mine.write_text("mine")
    path = store / name
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to(mine)
    else:
        path.mkdir()
    for arguments in COMMANDS:
        done = jobctl(store, *arguments)
        assert done.returncode in (0, 1, 3, 5), (arguments, done.stderr)
        assert "Traceback" not in done.stderr
        assert "bug in jobctl" not in done.stderr
    assert mine.read_text() == "mine"
    assert jobctl(store, "doctor", "--repair").returncode in (0, 1)
    shutil.rmtree(store)
