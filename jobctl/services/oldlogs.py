"""Logs that are to go before their jobs do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta

from jobctl.clock import Clock
from jobctl.core.job import Status
from jobctl.core.store import Store
from jobctl.services import logfile

#: Files that one step looks at.
LOOKS = 5000
_SUFFIX = ".log"


class OldLogs:
    """Removes logs that nobody has written to for `keep` seconds.

    With None they stay as long as their jobs.
    """

    def __init__(self, store: Store, clock: Clock, keep: float | None) -> None:
        self._store = store
        self._clock = clock
        self._keep = keep
        self._files: Iterator[os.DirEntry[str]] | None = None  # where the last step stopped

    def step(self, limit: int) -> int:
        """Remove at most `limit` logs, and return how many went. May raise StoreError.

        A step looks at some files only, and the next one goes on there.
        """
        if self._keep is None:
            return 0
        oldest = (self._clock.now() - timedelta(seconds=self._keep)).timestamp()
        removed = 0
        for _ in range(LOOKS):
            entry = self._next() if removed < limit else None
            if entry is None:
                break
            removed += self._remove(entry, oldest)
        return removed

    def _next(self) -> os.DirEntry[str] | None:
        if self._files is None:
            try:
                self._files = os.scandir(logfile.folder_in(self._store.files))
            except OSError:
                return None  # nobody has printed anything yet
        entry = next(self._files, None)
        if entry is None:
            self._files = None
        return entry

    def _remove(self, entry: os.DirEntry[str], oldest: float) -> bool:
        if not entry.name.endswith(_SUFFIX):
            return False
        with suppress(OSError):
            if entry.stat(follow_symlinks=False).st_mtime < oldest:
                job = self._store.get(entry.name.removesuffix(_SUFFIX))
                if job is None or job.status is not Status.RUNNING:
                    os.unlink(entry.path)
                    return True
        return False
