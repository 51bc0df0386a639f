"""What goes with a job and has to go when it goes: its log, its progress."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from jobctl.services import logfile, progress


def forget(files: Path, job_ids: Iterable[str]) -> None:
    """Remove the logs of jobs that are gone. One that cannot be removed stays."""
    logs = logfile.folder_in(files)
    if not os.path.isdir(logs):
        logs = ""  # no job has printed anything yet
    for job_id in job_ids:
        progress.forget(progress.folder_in(files), job_id)
        if logs:
            with suppress(OSError):
                os.unlink(logfile.path_in(logs, job_id))
