"""The jobs over HTTP: listed, and one by one."""

from __future__ import annotations

from typing import Any

from litestar import delete, get, post
from litestar.params import FromPath

from jobctl.core.data import show
from jobctl.errors import InvalidJob
from jobctl.services.explaining.answer import Explanation
from jobctl.services.looking import chosen
from jobctl.web import asked, records
from jobctl.web.asked import AnyRequest
from jobctl.web.backend import Services
from jobctl.web.docs import NO_JOB, WRONG_STATUS, route

ROOT = "/api/admin/jobs"


@route(
    get,
    ROOT,
    "Jobs, the newest first. A page may have less than `limit` and still a `next`: what a "
    "filter asks of data or errors is looked for in some hundred jobs at a time.",
    records.Jobs,
    query=records.Page,
)
def list_jobs(request: AnyRequest, backend: Services) -> records.Jobs:
    asked_for = asked.query(request, records.Page)
    page = backend.queue.page(
        chosen(asked_for.filter, asked_for.status, asked_for.name),
        limit=asked_for.limit,
        offset=asked_for.offset,
        after=_after(asked_for.cursor),
        # Who skips some counts those that pass: that cannot be given up halfway.
        bounded=not asked_for.offset,
    )
    return records.Jobs(
        backend.records(page.jobs),
        asked_for.limit,
        asked_for.offset,
        None if page.after is None else str(page.after),
    )


def _after(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > 18:
        raise InvalidJob(f"cursor {show(cursor)} is refused: give `next` of the page before")
    return int(cursor)


@route(get, f"{ROOT}/{{job_id:str}}", "One job.", records.JobRecord, errors=NO_JOB)
def show_job(job_id: FromPath[str], backend: Services) -> dict[str, Any]:
    return backend.record(backend.required(job_id))


@route(
    delete,
    f"{ROOT}/{{job_id:str}}",
    "Delete a job that is not running, and its log.",
    status=204,
    errors={**NO_JOB, **WRONG_STATUS},
)
def delete_job(job_id: FromPath[str], backend: Services) -> None:
    backend.queue.delete(job_id)


@route(
    post,
    f"{ROOT}/{{job_id:str}}/retry",
    "Make a failed or cancelled job pending again.",
    records.JobRecord,
    errors={**NO_JOB, **WRONG_STATUS},
)
def retry_job(job_id: FromPath[str], backend: Services) -> dict[str, Any]:
    return backend.record(backend.queue.retry(job_id))


@route(
    post,
    f"{ROOT}/{{job_id:str}}/cancel",
    "Cancel a pending job, or ask a running one to end.",
    records.JobRecord,
    errors={**NO_JOB, **WRONG_STATUS},
)
def cancel_job(job_id: FromPath[str], backend: Services) -> dict[str, Any]:
    return backend.record(backend.queue.cancel(job_id))


@route(
    get,
    f"{ROOT}/{{job_id:str}}/explain",
    "Why a job does not run, and what helps.",
    Explanation,
    errors=NO_JOB,
)
def explain_job(job_id: FromPath[str], backend: Services) -> Explanation:
    return backend.queue.explain(job_id)


ROUTES = [list_jobs, show_job, delete_job, retry_job, cancel_job, explain_job]
