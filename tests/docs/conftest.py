from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.docs import tour

ROOT = tour.README.parent
#: Where configuration and jobs would be looked for, beside HOME.
ELSEWHERE = ("XDG_CONFIG_HOME", "XDG_DATA_HOME")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, in an environment where `jobctl` is this one."""
    work = tmp_path / "work"
    work.mkdir()
    for name in (*ELSEWHERE, *(key for key in os.environ if key.startswith("JOBCTL_"))):
        monkeypatch.delenv(name, raising=False)
    for name, value in tour.settings(work, tmp_path / "bin").items():
        monkeypatch.setenv(name, value)
    return work
