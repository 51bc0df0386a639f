"""jobctl retry: failed and cancelled jobs run again."""

from __future__ import annotations

import typer

from jobctl.cli import bulk, filters, render, targets
from jobctl.cli.options import DryRun, Json, Yes, session
from jobctl.core import job as transitions

EXAMPLE = "jobctl retry report-7"


def command(
    ctx: typer.Context,
    chosen: filters.Targets,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: Json = False,
) -> int:
    """Make failed or cancelled jobs pending again.

    Their attempts are counted anew; the history stays.
    """
    here = session(ctx)
    if wanted := filters.given(chosen):
        return bulk.act(here, "retry", wanted, bulk.Asked(dry_run, yes, json)).code
    if dry_run:
        return targets.try_out(here, chosen, transitions.retry, "retried", as_json=json)
    tried = targets.each(here, chosen, lambda job: here.queue.retry(job.id), show=not json)
    if json:
        render.json(here.records(tried.jobs))
    return tried.code
