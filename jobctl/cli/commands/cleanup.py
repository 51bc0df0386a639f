"""jobctl cleanup: finished jobs that match, or are old enough."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from typing import Annotated

import typer

from jobctl.cli import bulk, filters, render, targets
from jobctl.cli.options import DryRun, Json, Session, Yes, session
from jobctl.cli.words import duration, local_time
from jobctl.clock import SystemClock
from jobctl.core.options import parse_time
from jobctl.core.units import counted
from jobctl.errors import InvalidJob
from jobctl.services.queue import finished

EXAMPLE = "jobctl cleanup --older-than 7d --dry-run"


def command(
    ctx: typer.Context,
    chosen: filters.Filters = None,
    older_than: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Finished longer ago: 7d, 12h.")
    ] = None,
    before: Annotated[
        str | None, typer.Option(metavar="DATE", help="Finished before: 2026-12-31.")
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: Json = False,
) -> int:
    """Delete jobs that finished long ago, or that match.

    They are completed, failed or cancelled. Without a filter and an option the [retention]
    of jobs.toml decides.
    """
    here = session(ctx)
    cutoff = _cutoff(older_than, before)
    asked = bulk.Asked(dry_run, yes, json, quiet=True)
    if chosen or cutoff is not None:
        wanted = finished(cutoff, filters.parse(chosen or ()))
        done = bulk.act(here, "cleanup", wanted, asked)
    else:
        done = _retain(here, asked)
    if json and not dry_run:
        render.json({"deleted": done.changed})
    elif not dry_run:
        render.lines([str(done.changed)])
    return done.code


def _retain(here: Session, asked: bulk.Asked) -> bulk.Outcome:
    """Do what [retention] says."""
    if asked.dry_run:
        matched, jobs = here.queue.cleanup_matches()
        targets.dry_run(here, matched, jobs, "deleted", as_json=asked.json)
        return bulk.Outcome()
    if not asked.yes and render.on_terminal(sys.stdin) and render.on_terminal(sys.stderr):
        matched, _ = here.queue.cleanup_matches()
        if matched:
            typer.confirm(f"Delete {counted(matched, 'job')}?", abort=True, err=True)
    return bulk.Outcome(here.queue.cleanup())


def _cutoff(older_than: str | None, before: str | None) -> datetime | None:
    if older_than is not None and before is not None:
        raise InvalidJob("--older-than and --before say the same in two ways: give one")
    if older_than is not None:
        return SystemClock().now() - timedelta(seconds=duration(older_than, "--older-than"))
    return parse_time(local_time(before), what="--before") if before is not None else None
