"""jobctl delete: jobs that are not needed any more."""

from __future__ import annotations

from typing import Any

import typer

from jobctl.cli import bulk, filters, render, targets
from jobctl.cli.options import DryRun, Json, Yes, session
from jobctl.core import job as transitions

EXAMPLE = "jobctl delete report-9"


def command(
    ctx: typer.Context,
    chosen: filters.Targets,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: Json = False,
) -> int:
    """Delete jobs that are not running."""
    here = session(ctx)

    def act(job: Any) -> Any:
        here.queue.delete(job.id)
        return job

    if wanted := filters.given(chosen):
        done = bulk.act(here, "delete", wanted, bulk.Asked(dry_run, yes, json, quiet=json))
        if json and not dry_run:
            render.json({"deleted": done.changed})
        return done.code
    if dry_run:
        return targets.try_out(here, chosen, transitions.delete, "deleted", as_json=json)
    tried = targets.each(here, chosen, act, show=not json)
    if json:
        render.json({"deleted": len(tried.jobs)})
    return tried.code
