"""jobctl retry: failed and cancelled jobs run again."""

from __future__ import annotations

import typer

from jobctl.cli import render, targets
from jobctl.cli.options import DryRun, Ids, Json, session
from jobctl.core import job as transitions

EXAMPLE = "jobctl retry report-7"


def command(ctx: typer.Context, ids: Ids, dry_run: DryRun = False, json: Json = False) -> int:
    """Make failed or cancelled jobs pending again.

    Their attempts are counted anew; the history stays.
    """
    here = session(ctx)
    if dry_run:
        tried = targets.each(here, ids, targets.only_check(transitions.retry), show=False)
        targets.dry_run(here, len(tried.jobs), tried.jobs, "retried", as_json=json)
        return tried.code
    tried = targets.each(here, ids, lambda job: here.queue.retry(job.id), show=not json)
    if json:
        render.json(here.records(tried.jobs))
    return tried.code
