"""jobctl schedule show: all that is known of one."""

from __future__ import annotations

import typer

from jobctl.cli import render
from jobctl.cli.options import Json, session
from jobctl.cli.schedules.shown import Name, record, zoned
from jobctl.core.units import human_duration

_TIMES = ("start", "end", "next_run", "last_run")
_DURATIONS = ("every", "catch_up_window", "jitter", "expect_within")


def command(ctx: typer.Context, name: Name, json: Json = False) -> None:
    """Show what a schedule declares, how it stands, where it is."""
    here = session(ctx)
    schedule = here.scheduler.required(name)
    found = record(here, schedule)
    if json:
        render.json(found)
        return
    for field, value in found.items():
        if value is None:
            continue
        if field in _TIMES:
            text = zoned(getattr(schedule, field), schedule)
        elif field in _DURATIONS:
            text = human_duration(float(value))
        elif isinstance(value, str):
            text = value
        else:
            text = render.json_text(value, one_line=True, ascii_only=False)
        render.lines([f"{field:17}{text}"])
