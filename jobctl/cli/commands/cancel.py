"""jobctl cancel: jobs that shall not run, or not go on running."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

import typer

from jobctl.cli import bulk, filters, render, targets
from jobctl.cli.options import DryRun, Json, Session, Yes, session
from jobctl.clock import SystemClock
from jobctl.core import job as transitions

EXAMPLE = "jobctl cancel report-8"


def command(
    ctx: typer.Context,
    chosen: filters.Targets,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until all of them have ended.")
    ] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: Json = False,
) -> int:
    """Cancel pending jobs. Running ones are ended by the daemon."""
    here = session(ctx)
    if wanted := filters.given(chosen):
        asked = bulk.Asked(dry_run, yes, json, quiet=json and wait)
        done = bulk.act(here, "cancel", wanted, asked, keep_ids=wait)
        if wait and not done.code:
            jobs = _ended(here, done.ids)
            if json and not dry_run:
                render.json(here.records(jobs))
        return done.code
    if dry_run:
        cancel = partial(transitions.cancel, now=SystemClock().now())
        return targets.try_out(here, chosen, cancel, "cancelled", as_json=json)
    tried = targets.each(here, chosen, lambda job: here.queue.cancel(job.id), show=not json)
    jobs = _ended(here, [job.id for job in tried.jobs]) if wait else tried.jobs
    if json:
        render.json(here.records(jobs))
    return tried.code


def _ended(here: Session, ids: Sequence[str]) -> list[Any]:
    """Return jobs when they have ended."""
    if not ids:
        return []
    sys.stdout.flush()  # the ids are there for others while this one waits
    return here.queue.wait(ids, None).jobs
