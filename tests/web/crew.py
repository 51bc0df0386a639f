"""What a daemon and its workers leave in a store while they are at it, without any of them."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from mmap import mmap
from typing import Any

from jobctl.services import figures, progress, spool
from jobctl.services.figures import Minute, Tally
from jobctl.services.logfile import folder_in
from tests.web.conftest import Site


@contextmanager
def attended(site: Site) -> Iterator[None]:
    """Be the daemon of a store: one that answers, and starts nothing."""
    over = threading.Event()
    with site.store.seat() as seat:

        def answer() -> None:
            while not over.is_set():
                if select.select([seat], [], [], 0.05)[0]:
                    seat.drain()

        thread = threading.Thread(target=answer, name="attendant")
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def works(site: Site, job_id: str, pid: int, began: datetime) -> None:
    """Say of a process that it runs a job, as the worker does."""
    folder = folder_in(site.store.files)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    fd = spool.create(folder, pid)
    with mmap(fd, spool.START) as head:
        spool.say(head, spool.Begun(job_id, 1, began, 0.0, 0))
    os.close(fd)


def reached(site: Site, job_id: str, said: dict[str, Any], at: datetime) -> None:
    """Say how far a running job has come, as its handler does."""
    fd = progress.create(progress.folder_in(site.store.files), job_id)
    os.pwrite(fd, progress.pack(at.timestamp(), progress.encode(said)), 0)
    os.close(fd)


def counted(site: Site, name: str, tally: Tally, **ago: float) -> None:
    """Write a line of figures as a daemon would have so long ago: `hours=5`."""
    at = int((datetime.now(UTC) - timedelta(**ago)).timestamp())
    figures.append(figures.folder_in(site.store.files), Minute(at, {name: tally}))
