"""The jobs over HTTP."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from typing import Any

from litestar import Response, delete, get, post
from litestar.params import FromPath, RawBody

from jobctl.core.data import show
from jobctl.core.filters import Filter, with_name, with_status
from jobctl.core.intake import OPTIONS, parse_time
from jobctl.core.shell import kept
from jobctl.core.units import seconds
from jobctl.errors import Conflict, InvalidJob, NotFound
from jobctl.services.explaining.answer import Explanation
from jobctl.services.looking import parsed
from jobctl.services.queue import QueueService
from jobctl.web import asked, records
from jobctl.web.asked import AnyRequest
from jobctl.web.backend import Services
from jobctl.web.docs import NO_JOB, WRONG_STATUS, doc
from jobctl.web.problems import Refused

ROOT = "/api/admin/jobs"
#: How many jobs a dry run shows.
SHOWN = 10
#: How many jobs are read at a time where all are meant.
STEP = 500


@get(
    ROOT,
    sync_to_thread=True,
    opt=doc("Jobs, the newest first.", records.Jobs, query=records.Page),
)
def list_jobs(request: AnyRequest, backend: Services) -> records.Jobs:
    asked_for = asked.query(request, records.Page)
    page = backend.queue.page(
        _wanted(asked_for),
        limit=asked_for.limit,
        offset=asked_for.offset,
        after=_after(asked_for.cursor),
    )
    return records.Jobs(
        backend.records(page.jobs),
        asked_for.limit,
        asked_for.offset,
        None if page.after is None else str(page.after),
    )


def _wanted(page: records.Page) -> Filter:
    wanted = parsed(page.filter)
    if page.status is not None:
        wanted &= with_status(page.status)
    if page.name is not None:
        wanted &= with_name(page.name)
    return wanted


def _after(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > 18:
        raise InvalidJob(f"cursor {show(cursor)} is refused: give `next` of the page before")
    return int(cursor)


@post(
    ROOT,
    sync_to_thread=True,
    opt=doc(
        "Add a job. It is durable when this answers.",
        records.JobRecord,
        status=201,
        body=records.NewJob,
        example={"name": "send-email", "data": {"to": "ann@example.com"}, "priority": 5},
        also={200: "A job with that id is there and was kept."},
        errors={
            403: "Shell jobs are not allowed.",
            404: "A job of `after` is not there.",
            409: "The id is taken (`if_exists` error), or its job is running (replace).",
            429: "Too many were added: [dashboard] add_rate.",
        },
        headers={"Location": "Where the job is."},
    ),
)
def add_job(body: RawBody, backend: Services) -> Response[Any]:
    new = asked.body(body, records.NewJob)
    wait = backend.may_add()
    if wait:
        raise Refused(
            429,
            f"too many jobs were added: try again in {wait} s",
            [(b"retry-after", str(wait).encode())],
        )
    given = {name: getattr(new, name) for name in OPTIONS}
    options = {name: value for name, value in given.items() if value is not None}
    if new.shell is None:
        if new.name is None:
            raise InvalidJob("name is missing: say which handler runs the job")
        if new.cwd is not None or new.env is not None:
            raise InvalidJob("cwd and env go with a command: give `shell` too")
        added = backend.queue.add(new.name, new.data, options)
    else:
        if not backend.config.dashboard.get("allow_shell", False):
            raise Refused(
                403, "shell jobs are not allowed here: [dashboard] allow_shell is off"
            )
        added = backend.queue.add_shell(
            new.shell,
            options,
            name=new.name,
            cwd=new.cwd or str(backend.config.folder),
            env={**kept(os.environ), **(new.env or {})},
        )
    return Response(
        backend.record(added.job),
        status_code=201 if added.created else 200,
        headers={"Location": f"{ROOT}/{added.id}"},
    )


@get(
    f"{ROOT}/stats",
    sync_to_thread=True,
    opt=doc("How many jobs have each status.", records.Counts),
)
def stats(backend: Services) -> dict[str, int]:
    return backend.queue.stats().as_dict()


@post(
    f"{ROOT}/cleanup",
    status_code=200,
    sync_to_thread=True,
    opt=doc(
        "Delete finished jobs that are old enough.",
        records.Deleted,
        records.Matched,
        body=records.Cleanup,
        example={"older_than": "7d"},
        answer={"deleted": 42},
    ),
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


@post(
    f"{ROOT}/bulk",
    status_code=200,
    sync_to_thread=True,
    opt=doc(
        "Retry, cancel or delete all jobs that a filter matches.",
        records.Done,
        records.Matched,
        body=records.Bulk,
        example={"action": "retry", "filter": "status:failed", "dry_run": True},
        answer={"matched": 3, "changed": 3, "refused": 0},
    ),
)
def bulk(body: RawBody, backend: Services) -> records.Done | records.Matched:
    wanted = asked.body(body, records.Bulk)
    chosen, queue = parsed(wanted.filter), backend.queue
    if not chosen.terms:
        raise InvalidJob("the filter is empty: say which jobs, such as status:failed")
    if wanted.dry_run:
        first = queue.page(chosen, limit=SHOWN).jobs
        return records.Matched(queue.stats(chosen).total, backend.records(first))
    changed = refused = 0
    after: int | None = None
    while True:
        page = queue.page(chosen, limit=STEP, after=after)
        for job in page.jobs:
            done = _done(queue, wanted.action, job.id)
            changed, refused = changed + done, refused + (not done)
        after = page.after
        if after is None:
            return records.Done(changed + refused, changed, refused)


def _done(queue: QueueService, action: str, job_id: str) -> bool:
    """Do it to one job, and return whether its status allowed that."""
    try:
        getattr(queue, action)(job_id)
    except (Conflict, NotFound):
        return False
    return True


@get(
    f"{ROOT}/{{job_id:str}}",
    sync_to_thread=True,
    opt=doc("One job.", records.JobRecord, errors=NO_JOB),
)
def show_job(job_id: FromPath[str], backend: Services) -> dict[str, Any]:
    return backend.record(backend.required(job_id))


@delete(
    f"{ROOT}/{{job_id:str}}",
    sync_to_thread=True,
    opt=doc(
        "Delete a job that is not running, and its log.",
        status=204,
        errors={**NO_JOB, **WRONG_STATUS},
    ),
)
def delete_job(job_id: FromPath[str], backend: Services) -> None:
    backend.queue.delete(job_id)


@post(
    f"{ROOT}/{{job_id:str}}/retry",
    status_code=200,
    sync_to_thread=True,
    opt=doc(
        "Make a failed or cancelled job pending again.",
        records.JobRecord,
        errors={**NO_JOB, **WRONG_STATUS},
    ),
)
def retry_job(job_id: FromPath[str], backend: Services) -> dict[str, Any]:
    return backend.record(backend.queue.retry(job_id))


@post(
    f"{ROOT}/{{job_id:str}}/cancel",
    status_code=200,
    sync_to_thread=True,
    opt=doc(
        "Cancel a pending job, or ask a running one to end.",
        records.JobRecord,
        errors={**NO_JOB, **WRONG_STATUS},
    ),
)
def cancel_job(job_id: FromPath[str], backend: Services) -> dict[str, Any]:
    return backend.record(backend.queue.cancel(job_id))


@get(
    f"{ROOT}/{{job_id:str}}/explain",
    sync_to_thread=True,
    opt=doc("Why a job does not run, and what helps.", Explanation, errors=NO_JOB),
)
def explain_job(job_id: FromPath[str], backend: Services) -> Explanation:
    return backend.queue.explain(job_id)


ROUTES = [
    list_jobs, add_job, stats, cleanup, bulk, show_job, delete_job, retry_job, cancel_job,
    explain_job,
]  # fmt: skip
