"""What goes with a job and is no part of its record: its log, and its progress while it runs.

What few calls need is imported by them: an add in a terminal is over in a moment.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from jobctl.core.job import Status
from jobctl.core.store import AnyJob, Store
from jobctl.services.adding import Wanted

if TYPE_CHECKING:
    from jobctl.services.growth import Growth


class Beside:
    """The files of the jobs of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def shown(self, job: AnyJob) -> AnyJob:
        """Return a job with the progress that it has now."""
        if job.status is not Status.RUNNING:
            return job
        from jobctl.services.progress import shown

        return shown(self._store.files, job)

    def forget(self, job_ids: Iterable[str]) -> None:
        """Remove the files of jobs that are gone. One that cannot be removed stays."""
        from jobctl.services import logfile, progress

        logs = logfile.folder_in(self._store.files)
        if not os.path.isdir(logs):
            return  # nobody has begun to print anything yet, or to say how far he has come
        folder = progress.folder_in(self._store.files)
        for job_id in job_ids:
            progress.forget(folder, job_id)
            with suppress(OSError):
                os.unlink(logfile.path_in(logs, job_id))

    def forget_replaced(self, wanted: Sequence[Wanted]) -> None:
        """Remove the files of jobs that others take the place of.

        Called before that is committed: after it the new job may run and print already.
        """
        replaced = [one.job.id for one in wanted if one.named and one.if_exists == "replace"]
        if replaced:
            self.forget(replaced)

    def log_path(self, job_id: str) -> Path:
        """Return where the log of a job is."""
        from jobctl.services.logfile import path_of

        return path_of(self._store.files, job_id)

    def log(self, job_id: str, *, once: bool = False) -> Growth:
        """Return the log of a job, to be read while it grows; `once` if it is read once."""
        from jobctl.services.growth import Growth

        return Growth(self._store.files, job_id, once=once)
