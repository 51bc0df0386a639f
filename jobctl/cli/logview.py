"""What is shown of a log that is there."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from jobctl.cli import render
from jobctl.cli.words import local_time
from jobctl.clock import SystemClock
from jobctl.core.job import AnyJob, Status
from jobctl.core.units import seconds
from jobctl.errors import InvalidJob, StoreError
from jobctl.services import logchoice, logread
from jobctl.services.logchoice import Choice
from jobctl.services.logfile import HEADER

if TYPE_CHECKING:
    from jobctl.cli.options import Session
    from jobctl.services.growth import Growth


def choice(tail: int | None, since: str | None, attempt: int | None) -> Choice:
    """Return what is wanted of a log, as it was typed. Raises InvalidJob."""
    return Choice(tail, attempt, None if since is None else _moment(since))


def _moment(text: str) -> datetime:
    try:
        return SystemClock().now() - timedelta(seconds=seconds(text))
    except InvalidJob:
        found = local_time(text)
    if isinstance(found, str):
        raise InvalidJob(
            f"--since: {text!r} is neither a duration nor a time: "
            "write 10m, 2h30m or 2026-11-24T14:30"
        )
    return found


def pieces(here: Session, job: AnyJob, choice: Choice, growth: Growth) -> Iterable[bytes]:
    """Return what is wanted of a log so far. Raises StoreError if it cannot be read."""
    if choice == Choice():
        return _readable(here, job, growth.more())
    return lines(here, job, choice, growth)


def lines(here: Session, job: AnyJob, choice: Choice, growth: Growth) -> Iterable[bytes]:
    """Return the lines that are wanted of a log. Raises StoreError if it cannot be read."""
    return _readable(here, job, _chosen(here, job, choice, growth))


def _chosen(here: Session, job: AnyJob, choice: Choice, growth: Growth) -> Iterator[bytes]:
    skip = 0
    if choice.since is not None:
        if not _written_since(here, job, choice.since):
            for _ in growth.more():  # what is there has been seen
                pass
            return
        skip = logchoice.older(_all(here, job), choice.since)
    if choice.tail is not None and choice.whole:
        growth.skip_to_last(choice.tail)
    yield from logchoice.chosen(logread.lines(growth.more()), choice, skip)


def _all(here: Session, job: AnyJob) -> Iterator[bytes]:
    return logread.lines(here.queue.log(job.id, once=True).more())


def _written_since(here: Session, job: AnyJob, since: datetime) -> bool:
    """Return whether a log may have lines from after a time: lines need not tell."""
    if job.status is Status.RUNNING:
        return True
    try:
        return os.stat(here.queue.log_path(job.id)).st_mtime >= since.timestamp()
    except OSError:
        return False


def _readable(here: Session, job: AnyJob, pieces: Iterable[bytes]) -> Iterator[bytes]:
    try:
        yield from pieces
    except OSError as err:
        path = here.queue.log_path(job.id)
        raise StoreError(f"{path} cannot be read: {err.strerror}") from err


def explain_nothing(here: Session, job: AnyJob, choice: Choice) -> None:
    """Say why nothing was shown."""
    there = any(True for _ in _all(here, job))
    if not there:
        render.note(f"job {job.id} ({job.status}) has written nothing so far")
    elif choice.attempt is not None:
        known = {int(m[1]) for line in _all(here, job) if (m := HEADER.match(line))}
        found = ", ".join(str(number) for number in sorted(known))
        render.note(f"the log of job {job.id} has no attempt {choice.attempt}, but {found}")
    elif choice.since is not None:
        render.note(f"job {job.id} ({job.status}) has written nothing since then")
