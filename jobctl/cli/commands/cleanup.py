"""jobctl cleanup: finished jobs that are old enough."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from typing import Annotated

import typer

from jobctl.cli import render, targets
from jobctl.cli.options import DryRun, Json, Yes, session
from jobctl.cli.words import local_time
from jobctl.clock import SystemClock
from jobctl.core.intake import parse_time
from jobctl.core.units import seconds
from jobctl.errors import InvalidJob

EXAMPLE = "jobctl cleanup --older-than 7d --dry-run"


def command(
    ctx: typer.Context,
    older_than: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Finished longer ago: 7d, 12h.")
    ] = None,
    before: Annotated[
        str | None, typer.Option(metavar="DATE", help="Finished before: 2026-12-31.")
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Delete jobs that finished long ago.

    These are completed, failed and cancelled ones.
    Without an option the [retention] of jobs.toml decides.
    """
    here = session(ctx)
    cutoff = _cutoff(older_than, before)
    if dry_run:
        matched, jobs = here.queue.cleanup_matches(cutoff)
        targets.dry_run(here, matched, jobs, "deleted", as_json=json)
        return
    if not yes and render.on_terminal(sys.stdin) and render.on_terminal(sys.stderr):
        matched, _ = here.queue.cleanup_matches(cutoff)
        if matched:
            typer.confirm(f"Delete {matched:,} jobs?", abort=True, err=True)
    deleted = here.queue.cleanup(cutoff)
    if json:
        render.json({"deleted": deleted})
    else:
        render.lines([str(deleted)])


def _cutoff(older_than: str | None, before: str | None) -> datetime | None:
    if older_than is not None and before is not None:
        raise InvalidJob("--older-than and --before say the same in two ways: give one")
    if older_than is not None:
        try:
            return SystemClock().now() - timedelta(seconds=seconds(older_than))
        except InvalidJob as err:
            raise InvalidJob(f"--older-than: {err}") from None
    return parse_time(local_time(before), what="--before") if before is not None else None
