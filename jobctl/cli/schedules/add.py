"""jobctl schedule add: a schedule in a drop-in of its own."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer

from jobctl.cli import jobdata, known, render
from jobctl.cli.options import Json, session
from jobctl.cli.schedules.shown import Name
from jobctl.cli.words import local_time
from jobctl.errors import InvalidJob

_Text = str | None


def command(
    ctx: typer.Context,
    name: Name,
    values: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CRON] [JOB] [DATA | KEY=VALUE KEY:=JSON...]",
            help="What an option below does not say, in this order.",
        ),
    ] = None,
    cron: Annotated[_Text, typer.Option(help='"0 3 * * *", DAILY_3AM or @daily.')] = None,
    every: Annotated[_Text, typer.Option(metavar="DURATION", help="Instead: 90s.")] = None,
    job: Annotated[_Text, typer.Option(help="The job that each tick adds.")] = None,
    timezone: Annotated[_Text, typer.Option(help="Such as Europe/Berlin.")] = None,
    priority: Annotated[int | None, typer.Option(help="Higher runs first; 0 if unset.")] = None,
    max_retries: Annotated[int | None, typer.Option(help="Runs after the first.")] = None,
    disabled: Annotated[bool, typer.Option("--disabled", help="Not switched on yet.")] = False,
    overlap: Annotated[_Text, typer.Option(metavar="skip|allow|replace")] = None,
    catch_up: Annotated[_Text, typer.Option(metavar="none|latest|all")] = None,
    catch_up_window: Annotated[_Text, typer.Option(metavar="DURATION")] = None,
    jitter: Annotated[
        _Text, typer.Option(metavar="DURATION", help="A delay up to this.")
    ] = None,
    expect_within: Annotated[
        _Text, typer.Option(metavar="DURATION", help="Alert without a success for so long.")
    ] = None,
    start: Annotated[_Text, typer.Option(metavar="TIME", help="No tick before.")] = None,
    end: Annotated[_Text, typer.Option(metavar="TIME", help="No tick after.")] = None,
    json: Json = False,
) -> None:
    """Add a schedule, in place of one of that name.

    It is written as a drop-in, jobs.d/NAME.toml beside jobs.toml.
    """
    from jobctl import scheduling

    here = session(ctx)
    rest = list(values or ())
    if cron is None and every is None:
        cron = _take(rest, "when", 'give --cron "0 3 * * *" or --every 90s')
    if job is None:
        job = _take(rest, "job", "give --job NAME, the job that each tick adds")
    options: dict[str, Any] = {
        "timezone": timezone,
        "data": jobdata.from_arguments(rest),
        "priority": priority,
        "max_retries": max_retries,
        "enabled": False if disabled else None,
        "overlap": overlap,
        "catch_up": catch_up,
        "catch_up_window": catch_up_window,
        "jitter": jitter,
        "expect_within": expect_within,
        "start": None if start is None else local_time(start),
        "end": None if end is None else local_time(end),
    }
    path = scheduling.add(
        here.deep_config,
        name,
        job,
        environ=os.environ,
        cron=cron,
        every=every,
        options=options,
    )
    known.note_unknown(
        here,
        [job],
        "until there is one no daemon starts, and one that runs keeps its old schedules",
    )
    if json:
        render.json({"name": name, "file": str(path)})
    else:
        render.lines([str(path)])


def _take(rest: list[str], what: str, hint: str) -> str:
    if not rest:
        raise InvalidJob(f"{what} is missing: {hint}")
    return rest.pop(0)
