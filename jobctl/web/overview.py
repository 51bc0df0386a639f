"""The overview: what runs, what waits, who runs it, and the figures of the last time."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import get
from msgspec import Meta

from jobctl import __version__, bootstrap
from jobctl.core.data import show
from jobctl.core.job import Status
from jobctl.core.store import AnyJob
from jobctl.errors import InvalidJob
from jobctl.services import spool
from jobctl.services.health import due_since
from jobctl.services.pausing import Pause
from jobctl.services.telling import read_told, told_by
from jobctl.web import asked
from jobctl.web.asked import AnyRequest
from jobctl.web.backend import Backend, Services
from jobctl.web.docs import route
from jobctl.web.plots import RANGES, Plot
from jobctl.web.records import Counts, JobRecord

#: Running jobs that are listed.
RUNNING = 200
#: Seconds that the daemon has to answer.
PATIENCE = 0.5


class Daemon(msgspec.Struct):
    """The daemon. `moving` says whether its loop answers, the rest is what it tells of
    itself: what it is at and since when, how many jobs it runs at once, and its troubles."""

    pid: int
    moving: bool
    state: str | None
    since: datetime | None
    concurrency: int | None
    troubles: dict[str, str]


class Oldest(msgspec.Struct):
    """The job that has been due for longest, and since when."""

    id: str
    name: str
    since: datetime


class Overview(msgspec.Struct):
    """How things stand at a moment.

    `running` begins with the job that runs for longest; `workers` has the process of a
    running job, by its id, unless it shares one with others.
    """

    at: datetime
    store: str
    version: str
    counts: Counts
    daemon: Daemon | None
    oldest: Oldest | None
    paused: list[Pause]
    running: list[JobRecord]
    workers: dict[str, int]


class Span(msgspec.Struct, forbid_unknown_fields=True):
    """Of which time."""

    range: Annotated[str, Meta(extra_json_schema={"enum": list(RANGES)})] = "hour"


class Handlers(msgspec.Struct):
    """The handlers that the last daemon had, by name: their options and data schemas."""

    handlers: dict[str, Any]


@route(get, "/api/admin/overview", "What runs, what waits, and who runs it.", Overview)
def overview(backend: Services) -> Overview:
    now = backend.clock.now()
    oldest = backend.store.oldest_due(now)
    daemon = _daemon(backend)
    running = backend.queue.list(status=Status.RUNNING, limit=RUNNING)
    running.sort(key=lambda job: (job.started_at or now, job.seq))
    return Overview(
        at=now,
        store=backend.config.store,
        version=__version__,
        counts=Counts(**backend.queue.stats().as_dict()),
        daemon=daemon,
        oldest=None if oldest is None else Oldest(oldest.id, oldest.name, due_since(oldest)),
        paused=backend.queue.paused(),
        running=backend.records(running),
        workers=_workers(backend, running) if daemon else {},
    )


def _workers(backend: Backend, running: list[AnyJob]) -> dict[str, int]:
    # A worker that has no daemon dies with its job, and leaves its spool as it was.
    found = spool.workers(backend.store.files)
    return {job.id: found[job.id] for job in running if job.id in found}


def _daemon(backend: Backend) -> Daemon | None:
    pulse = backend.store.pulse(PATIENCE)
    if pulse.pid is None:
        return None
    told = told_by(read_told(backend.store.files), pulse)
    if told is None:
        return Daemon(pulse.pid, pulse.moving, None, None, None, {})
    troubles = {str(kind): message for kind, message in told.troubles.items()}
    return Daemon(
        pulse.pid,
        pulse.moving,
        str(told.state),
        told.since,
        told.rules.concurrency,
        troubles,
    )


@route(
    get,
    "/api/admin/figures",
    "Throughput, failures and durations of the last hour, day or week, by name.",
    Plot,
    query=Span,
)
def figures(request: AnyRequest, backend: Services) -> Plot:
    span = asked.query(request, Span).range
    if span not in RANGES:
        raise InvalidJob(f"range {show(span)} is refused: use hour, day or week")
    return backend.figures.plot(span, backend.clock.now())


@route(
    get,
    "/api/admin/handlers",
    "The handlers that the last daemon had, with their options and schemas.",
    Handlers,
)
def handlers(backend: Services) -> Handlers:
    return Handlers(bootstrap.known_handlers(backend.config) or {})


ROUTES = [overview, figures, handlers]
