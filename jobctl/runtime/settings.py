"""What a daemon is told, and what it tells its parts of that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from jobctl.core.job import Options
from jobctl.runtime.channel import Setup


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

    @property
    def slots(self) -> int:
        """How many slots: one more than workers, and one for each job that may share."""
        return 2 * self.concurrency + 1

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
