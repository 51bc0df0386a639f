"""The command line in this process: whole outputs, a fixed clock, a store on disk."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from jobctl import bootstrap
from jobctl.cli import app, render
from jobctl.clock import SystemClock
from jobctl.config import Config
from jobctl.core.store import Store
from jobctl.stores.directory.store import DirectoryStore
from tests.helpers import ROOT, FakeClock


class Result(NamedTuple):
    """What a call left behind."""

    code: int
    out: str
    err: str


class Cli:
    """Calls the command line as a shell would."""

    def __init__(self, capsys: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch) -> None:
        self._capsys = capsys
        self._patch = patch

    def __call__(self, *args: str, stdin: bytes | str = b"") -> Result:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        self._patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        self._capsys.readouterr()
        code = app.main(list(args))
        return Result(code, *self._capsys.readouterr())

    def on_terminal(self) -> None:
        """Let the commands believe that a person sits there, 80 columns wide."""
        self._patch.setattr(render, "on_terminal", lambda stream: True)


@pytest.fixture(autouse=True)
def isolation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: FakeClock
) -> Iterator[None]:
    """A folder, a home and an environment of the test's own."""
    for name in ("JOBCTL_CONFIG", "FORCE_COLOR", "JOBCTL_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    settings = {
        "HOME": str(tmp_path / "home"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "XDG_DATA_HOME": str(tmp_path / "share"),
        "JOBCTL_STORE": str(tmp_path / "store"),
        "NO_COLOR": "1",
        "COLUMNS": "80",
        "TZ": "Europe/Berlin",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    time.tzset()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(SystemClock, "now", lambda self: clock.time)
    opened: list[Store] = []

    def open_store(config: Config) -> Store:
        opened.append(original(config))
        return opened[-1]

    original = bootstrap.open_store
    monkeypatch.setattr(bootstrap, "open_store", open_store)
    yield
    for one in opened:
        one.close()  # the end of a process does it otherwise
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Call the command line."""
    return Cli(capsys, monkeypatch)


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> None:
    """The source tree is importable, and the terminal can move its cursor."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("COLUMNS")


@pytest.fixture
def store(tmp_path: Path, clock: FakeClock) -> Iterator[DirectoryStore]:
    """The store that the commands of the test use."""
    opened = DirectoryStore(tmp_path / "store", clock)
    yield opened
    opened.close()
