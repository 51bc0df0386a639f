"""jobctl cancel: jobs that shall not run, or not go on running."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from jobctl.cli import render, targets
from jobctl.cli.options import DryRun, Ids, Json, session
from jobctl.clock import SystemClock
from jobctl.core import job as transitions

EXAMPLE = "jobctl cancel report-8"


def command(
    ctx: typer.Context,
    ids: Ids,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until all of them have ended.")
    ] = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> int:
    """Cancel pending jobs. Running ones are ended by the daemon."""
    here = session(ctx)
    if dry_run:
        now = SystemClock().now()
        check = targets.only_check(lambda job: transitions.cancel(job, now))
        tried = targets.each(here, ids, check, show=False)
        targets.dry_run(here, len(tried.jobs), tried.jobs, "cancelled", as_json=json)
        return tried.code
    tried = targets.each(here, ids, lambda job: here.queue.cancel(job.id), show=not json)
    if wait and tried.jobs:
        sys.stdout.flush()  # the ids are there for others while this one waits
        tried.jobs = here.queue.wait([job.id for job in tried.jobs], None).jobs
    if json:
        render.json(here.records(tried.jobs))
    return tried.code
