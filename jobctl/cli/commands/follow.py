"""jobctl follow: a job's log as it grows, until the job has ended."""

from __future__ import annotations

from typing import Annotated

import typer

from jobctl.cli import following, logprint, targets, waiting
from jobctl.cli.options import JobId, Json, Raw, session

EXAMPLE = "jobctl follow welcome-42"


def command(
    ctx: typer.Context,
    job_id: JobId,
    timeout: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="Give up after: 90s, 5m. Exit code 124."),
    ] = None,
    raw: Raw = False,
    json: Json = False,
) -> int:
    """Print a job's log as it grows, until the job has ended.

    All its attempts are shown, and a job that has not begun is waited for. Ctrl-C ends this
    command, not the job. The exit code is 0 if the job completed, 1 if it did not, 124 on a
    time-out.
    """
    here = session(ctx)
    limit = waiting.limit(timeout, "--timeout")
    out = logprint.printer(raw=raw, as_json=json)
    job = targets.one(here, job_id)
    return following.follow(here, job, here.queue.log(job.id), out, limit)
