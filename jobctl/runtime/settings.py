"""What a daemon is told, and what it tells its parts of that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from jobctl.core.job import Options
from jobctl.runtime.channel import Setup

if TYPE_CHECKING:
    from jobctl.core.schedule import Schedule


class Terms(msgspec.Struct, frozen=True):
    """What holds for workers: when they are killed, and when they are replaced.

    `kill_after` is seconds, `max_jobs` how many jobs one runs, `max_rss` how many bytes of
    memory it may keep after a job. None is no limit. `share` is how many jobs of the names
    in `asynchronous` run side by side in one.
    """

    kill_after: float = 5.0
    max_jobs: int | None = None
    max_rss: int | None = None
    share: int = 1
    asynchronous: frozenset[str] = frozenset()

    @property
    def sharing(self) -> frozenset[str]:
        """The names whose jobs may share a worker."""
        return self.asynchronous if self.share > 1 else frozenset()


class Action(msgspec.Struct, frozen=True):
    """What an alert does: add a job, run a command, or call a webhook."""

    job: str | None = None
    command: tuple[str, ...] | None = None
    webhook: str | None = None


class Alerting(msgspec.Struct, frozen=True):
    """Which alerts there are, by kind (dead, overdue, waiting); durations are seconds.

    `every` is the least time between two of a kind, `max_wait` how long a job may be due.
    """

    actions: Mapping[str, Action] = {}
    every: float = 600.0
    max_wait: float = 3600.0


def _nowhere(*key: str) -> str:
    return ".".join(key)


class Chores(msgspec.Struct, frozen=True):
    """What a daemon does by the clock: the schedules that the configuration declares.

    `place` says where a key is written, `watched` gives the files whose change may
    change them. `cleaner` removes at most so many of what is old enough, and returns how
    many went.
    """

    schedules: Mapping[str, Schedule] = {}
    place: Callable[..., str] = _nowhere
    watched: Callable[[], list[Path]] = list
    alerting: Alerting = Alerting()
    cleaner: Callable[[int], int] | None = None


#: What the record of a job that ends may come to without its result, in bytes.
RECORD = 64 << 10
#: More than that is not kept free for what runs, in bytes.
MOST_ROOM = 64 << 20


class Settings(msgspec.Struct, frozen=True):
    """What a daemon is told. Durations are seconds, sizes bytes.

    `files` is the folder of logs and progress, "" for none.
    """

    entries: list[str] = []
    folder: str = "."
    path: list[str] = []
    processes: list[str] = []
    concurrency: int = 10
    options: Options = Options()
    limits: Mapping[str, Mapping[str, Any]] = {}
    shutdown_timeout: float = 30.0
    terms: Terms = Terms()
    max_result: int = 1 << 20
    max_log: int = 1 << 20
    files: str = ""
    stop_on_eof: bool = False
    chores: Chores = Chores()

    @property
    def slots(self) -> int:
        """How many slots: one more than workers, and one for each job that may share."""
        return 2 * self.concurrency + 1

    @property
    def room(self) -> int:
        """How many bytes what runs at once may write into the store as it ends."""
        return min(self.concurrency * (self.max_result + RECORD), MOST_ROOM)

    @property
    def setup(self) -> Setup:
        """What the fork server is told."""
        return Setup(
            entries=self.entries,
            folder=self.folder,
            processes=self.processes,
            max_result=self.max_result,
            path=self.path,
            files=self.files,
            max_log=self.max_log,
        )
