"""daemon.json: what a daemon tells of itself, for those who ask why a job does not run.

It may run with other settings than the files say now: flags, or an edit without a reload.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from jobctl.core.job import Options
from jobctl.core.store import Pulse
from jobctl.services.whole import read_whole, write_whole

_FILE = "daemon.json"


class State(StrEnum):
    """What a daemon is at."""

    STARTING = "starting"  # its handlers are being imported
    READY = "ready"
    STOPPING = "stopping"  # it claims no more jobs
    BROKEN = "broken"  # an error has ended it


class Trouble(StrEnum):
    """What keeps a daemon from some of its work."""

    HANDLERS = "handlers"  # they do not import: no job of theirs can be run
    RELOAD = "reload"  # the last one was refused: what was in use stays in use
    STORE = "store"  # it refuses to be written
    WORKERS = "workers"  # no process can be started
    ERROR = "error"  # that ended it


class Rules(msgspec.Struct, frozen=True):
    """What holds for jobs. Durations are seconds; `limits` has options by name."""

    concurrency: int = 10
    options: Options = Options()
    limits: Mapping[str, Mapping[str, Any]] = {}
    kill_after: float = 5.0
    shutdown_timeout: float = 30.0


class Told(msgspec.Struct, frozen=True):
    """What a daemon tells: what it is at since when, what holds, and its troubles."""

    pid: int
    state: State
    since: datetime
    rules: Rules
    troubles: Mapping[Trouble, str] = {}


def write_told(folder: Path, told: Told) -> None:
    """Write it. Raises OSError."""
    write_whole(folder / _FILE, told)


def read_told(folder: Path) -> Told | None:
    """Return what the last daemon told, None if it left nothing."""
    return read_whole(folder / _FILE, Told)


def told_by(told: Told | None, daemon: Pulse) -> Told | None:
    """Return what was told if the daemon that runs has told it.

    One that cannot be named is taken for the one that did.
    """
    return told if told is not None and daemon.pid in (told.pid, 0) else None


def forget_told(folder: Path) -> None:
    """Leave nothing: the daemon ended in order. Raises OSError."""
    (folder / _FILE).unlink(missing_ok=True)
