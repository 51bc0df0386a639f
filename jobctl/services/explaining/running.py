"""What a running job is at."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from jobctl.core.units import human_duration
from jobctl.services.explaining.answer import Reason
from jobctl.services.explaining.case import Case
from jobctl.services.explaining.daemons import daemon
from jobctl.services.spool import workers
from jobctl.services.telling import State


def running(case: Case) -> Iterator[Reason]:
    """Say since when it runs, where, how far it is, and when that ends at the latest."""
    job = case.job
    if not case.alive:
        text = "It ran when its daemon died: the next daemon gives it back, and it runs again."
        yield Reason("orphaned", text, at=job.started_at)
        yield from daemon(case)
        return
    if job.cancelling:
        wait = human_duration(case.rules.kill_after)
        text = f"It was asked to end (cancel): its handler is killed if that takes over {wait}."
        yield Reason("cancelling", text)
    yield _since(case)
    yield from _progress(case)
    yield from _timeout(case)
    yield from _stopping(case)


def _since(case: Case) -> Reason:
    job, began = case.job, case.job.started_at or case.now
    worker = workers(case.store.files).get(job.id)
    where = "" if worker is None else f", in worker process {worker}"
    attempt = f"attempt {job.attempts} of {case.options.max_retries + 1}"
    return Reason("running", f"It runs since {case.say(began)}, {attempt}{where}.", at=began)


def _progress(case: Case) -> Iterator[Reason]:
    said = case.job.progress
    if not isinstance(said, dict):
        return
    done, total, note = said.get("done"), said.get("total"), said.get("note")
    parts = []
    if done is not None:
        parts.append(f"{done} of {total}" if total is not None else f"{done}")
    if note:
        parts.append(str(note).split("\n", 1)[0])
    if parts:
        yield Reason("progress", f"It has come to {', '.join(parts)}.")


def _timeout(case: Case) -> Iterator[Reason]:
    began, timeout = case.job.started_at, case.options.timeout
    if began is None or timeout is None:
        yield Reason("no-timeout", "It has no timeout.")
        return
    try:
        at = began + timedelta(seconds=timeout)
    except OverflowError:
        return
    length = human_duration(timeout)
    if at > case.now:
        yield Reason("timeout", f"Its timeout, {length}, ends it at {case.say(at)}.", at=at)
    else:
        yield Reason("timeout", f"Its timeout, {length}, was over at {case.say(at)}.", at=at)


def _stopping(case: Case) -> Iterator[Reason]:
    told = case.told
    if told is not None and told.state is State.STOPPING:
        until = told.since + timedelta(seconds=told.rules.shutdown_timeout)
        text = (
            f"Its daemon is stopping: if it runs at {case.say(until)}, it goes back to pending."
        )
        yield Reason("daemon-stopping", text, at=until)
    else:
        yield from daemon(case)
