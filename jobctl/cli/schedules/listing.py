"""jobctl schedule list: all of them, and how they stand."""

from __future__ import annotations

import sys

import typer

from jobctl.cli import render
from jobctl.cli.options import Json, session
from jobctl.cli.schedules.shown import record, when, zoned
from jobctl.clock import SystemClock
from jobctl.core.wording import relative


def command(ctx: typer.Context, json: Json = False) -> None:
    """List the schedules, with their next and last ticks.

    Times are in each one's own zone."""
    here = session(ctx)
    schedules = here.scheduler.schedules()
    if json:
        render.json([record(here, one) for one in schedules])
        return
    if not schedules:
        render.note("no schedules: `jobctl schedule add`, or [schedules.NAME] in jobs.toml")
        return
    now = SystemClock().now()
    terminal = render.on_terminal(sys.stdout)
    sep = " " if terminal else "T"
    rows = [
        (
            one.name,
            when(one),
            # On a terminal the zone beside it is enough.
            zoned(one.next_run, one, sep=sep, offset=not terminal)
            if one.enabled
            else "disabled",
            one.timezone,
            (relative(one.last_run, now) if terminal else zoned(one.last_run, one, sep=sep))
            if one.last_run
            else "",
            one.last_outcome or "",
            str(one.run_count),
        )
        for one in schedules
    ]
    headers = ("NAME", "WHEN", "NEXT", "ZONE", "LAST RUN", "OUTCOME", "RUNS")
    render.table(headers, rows, shrink=((0, 12), (3, 6), (1, 8)))
