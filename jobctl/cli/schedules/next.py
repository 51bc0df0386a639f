"""jobctl schedule next: the plan."""

from __future__ import annotations

from typing import Annotated

import typer

from jobctl.cli import render
from jobctl.cli.options import Json, session
from jobctl.cli.words import local_time
from jobctl.core.options import parse_time
from jobctl.errors import InvalidJob


def command(
    ctx: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Only this schedule.")
    ] = None,
    number: Annotated[int, typer.Option("--number", "-n", min=1, help="How many ticks.")] = 10,
    from_date: Annotated[
        str | None, typer.Option("--from", metavar="DATE", help="After this time, not now.")
    ] = None,
    json: Json = False,
) -> None:
    """Show the ticks to come.

    Local hours that are absent or come twice are marked."""
    here = session(ctx)
    after = None
    if from_date is not None:
        try:
            after = parse_time(local_time(from_date))
        except InvalidJob as err:
            raise InvalidJob(f"--from: {err}") from None
    rows = here.scheduler.plan(name, after, number)
    if json:
        render.json(
            [
                {
                    "schedule": row.schedule,
                    "at": row.at,
                    "local": row.local.isoformat(timespec="seconds"),
                    "note": row.note,
                }
                for row in rows
            ]
        )
    elif rows:
        table = []
        for row in rows:
            at = row.local.isoformat(sep=" ", timespec="seconds")
            table.append((row.schedule, at, str(row.local.tzinfo), row.note or ""))
        render.table(("SCHEDULE", "AT", "ZONE", "NOTE"), table, shrink=((3, 10), (0, 12)))
    else:
        render.note("no tick is to come")
