"""Several jobs at once over HTTP: counted, cleaned up, and what a filter matches."""

from __future__ import annotations

from datetime import datetime, timedelta

from litestar import get, post
from litestar.params import RawBody

from jobctl.core.options import parse_time
from jobctl.core.units import seconds
from jobctl.errors import InvalidJob
from jobctl.web import asked, records
from jobctl.web.backend import Services
from jobctl.web.docs import route
from jobctl.web.jobs import ROOT


@route(get, f"{ROOT}/stats", "How many jobs have each status.", records.Counts)
def stats(backend: Services) -> dict[str, int]:
    return backend.queue.stats().as_dict()


@route(
    post,
    f"{ROOT}/cleanup",
    "Delete finished jobs that are old enough.",
    records.Deleted,
    records.Matched,
    body=records.Cleanup,
    example={"older_than": "7d"},
    answer={"deleted": 42},
)
def cleanup(body: RawBody, backend: Services) -> records.Deleted | records.Matched:
    wanted = asked.body(body, records.Cleanup)
    before = _cutoff(wanted, backend.clock.now())
    if wanted.dry_run:
        matched, jobs = backend.queue.cleanup_matches(before)
        return records.Matched(matched, backend.records(jobs))
    return records.Deleted(backend.queue.cleanup(before))


def _cutoff(wanted: records.Cleanup, now: datetime) -> datetime | None:
    if wanted.older_than is not None and wanted.before is not None:
        raise InvalidJob("older_than and before say the same in two ways: give one")
    if wanted.older_than is not None:
        return now - timedelta(seconds=seconds(wanted.older_than))
    return None if wanted.before is None else parse_time(wanted.before, what="before")


@route(
    post,
    f"{ROOT}/bulk",
    "Retry, cancel or delete all jobs that a filter matches.",
    records.Done,
    records.Matched,
    body=records.Bulk,
    example={"action": "retry", "filter": "status:failed", "dry_run": True},
    answer={"matched": 3, "changed": 3, "skipped": 0},
)
def bulk(body: RawBody, backend: Services) -> records.Done | records.Matched:
    wanted = asked.body(body, records.Bulk)
    several = backend.queue.bulk(wanted.action, wanted.filter)
    done = several.run(dry_run=wanted.dry_run)
    if wanted.dry_run:
        return records.Matched(done.matched, backend.records(done.jobs))
    return records.Done(done.matched, done.changed, done.skipped)


ROUTES = [stats, cleanup, bulk]
