"""jobctl export: jobs as JSON lines."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from jobctl.cli import filters, garbage, render
from jobctl.cli.options import session

EXAMPLE = "jobctl export status:pending"


def command(
    ctx: typer.Context,
    chosen: filters.Filters = None,
    secrets: Annotated[
        bool, typer.Option("--secrets", help="Show what [redact] of jobs.toml hides.")
    ] = False,
) -> None:
    """Print jobs as JSON lines, the oldest first.

    `jobctl add --from` adds those of them that are pending. The whole store goes into a file
    with `jobctl backup`.
    """
    garbage.collect()
    here = session(ctx)
    wanted = filters.parse(chosen or ())
    count = 0
    for job in here.queue.stream(wanted, limit=sys.maxsize, newest=False):
        record = job.record() if secrets else here.record(job)
        render.json(record, one_line=True)
        count += 1
    if here.config.redact and not secrets and count:
        render.note("what [redact] of jobs.toml hides was hidden: --secrets exports it")
