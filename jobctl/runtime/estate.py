"""What workers leave when they die: the log of the job that they were at, its progress."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from resource import struct_rusage
from typing import Any

import msgspec

from jobctl.runtime.channel import Exited
from jobctl.services import logfile, progress, spool

#: Seconds between two looks at how much the workers have printed.
EVERY = 1.0


class Remains(msgspec.Struct, frozen=True):
    """What is left of a job whose worker has died: the end of its log, the last progress."""

    log_tail: tuple[str, ...] | None = None
    progress: dict[str, Any] | None = None


NOTHING_LEFT = Remains()
NOBODY: Mapping[str, Remains] = {}


class Estate:
    """What workers have on disk. `files` is the store's folder of files, "" for none."""

    def __init__(self, files: str, limit: int) -> None:
        self._logs = logfile.folder_in(Path(files)) if files else ""
        self._progress = progress.folder_in(Path(files))
        self._limit = limit
        self._limit_at = 0.0

    def limit(self, pids: Iterable[int], now: float) -> None:
        """Keep what running workers have printed within bounds, every so often."""
        if self._logs and now >= self._limit_at:
            self._limit_at = now + EVERY
            for pid in pids:
                spool.limit_running(self._logs, pid, self._limit)

    def exited(self, pid: int, status: int, usage: struct_rusage, now: datetime) -> Exited:
        """Put what a dead worker printed where it belongs, and say how it ended."""
        news = Exited(pid, status, usage.ru_maxrss * 1024, now)
        left = spool.recover(self._logs, pid, self._limit) if self._logs else None
        if left is not None:
            if (news.max_rss or 0) <= left.begun.peak:
                news.max_rss = None  # it may be another job's
            used = usage.ru_utime + usage.ru_stime - left.begun.cpu
            news.cpu_seconds = round(max(0.0, used), 6)
            remains = self._remains(left)
            news.log_tail, news.progress = remains.log_tail, remains.progress
        return news

    def recover(self) -> dict[str, Remains]:
        """Do so for workers that are all dead, with their server; by the id of the job."""
        if not self._logs:
            return {}
        found = spool.recover_all(self._logs, self._limit)
        return {job_id: self._remains(left) for job_id, left in found.items()}

    def _remains(self, left: spool.Left) -> Remains:
        said = progress.read(self._progress, left.begun.job_id, left.begun.began)
        return Remains(left.log_tail, said)
