"""jobctl list: the newest jobs."""

from __future__ import annotations

from typing import Annotated

import typer

from jobctl.cli import render, targets
from jobctl.cli.options import Json, Session, session
from jobctl.errors import InvalidJob
from jobctl.services.queue import parse_status

EXAMPLE = "jobctl list --status failed --limit 5"


def command(
    ctx: typer.Context,
    filters: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,
    status: Annotated[
        str | None,
        typer.Option(help="pending, running, completed, failed or cancelled."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Only jobs of this name.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    offset: Annotated[int, typer.Option(min=0, help="Skip so many of the newest.")] = 0,
    json: Json = False,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="Print a JSON object a line.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print ids alone.")] = False,
) -> None:
    """List jobs, the newest first."""
    here = session(ctx)
    targets.refuse_filters(filters or ())
    if filters:
        raise InvalidJob(f"{filters[0]!r} is one argument too many: see jobctl list --help")
    if json + jsonl + quiet > 1:
        raise InvalidJob("--json, --jsonl and -q exclude each other: give one")
    wanted = None if status is None else parse_status(status)
    jobs = here.queue.list(status=wanted, name=name, limit=limit + 1, offset=offset)
    page = jobs[:limit]
    if json:
        render.json(here.records(page))
    elif jsonl:
        for job in page:
            render.json(here.record(job), one_line=True)
    elif quiet:
        render.lines(job.id for job in page)
    elif page:
        targets.show_rows(page)
    else:
        render.note("no jobs")
    if len(jobs) > limit:
        _say_cut(here, status, name, limit, offset)


def _say_cut(
    here: Session, status: str | None, name: str | None, limit: int, offset: int
) -> None:
    of = ""
    if name is None:  # the store counts by status only
        of = f" of {here.queue.stats().as_dict()[status or 'total']:,}"
    render.note(
        f"jobs {offset + 1:,} to {offset + limit:,}{of}, the newest first; "
        f"--offset {offset + limit} shows the next, a higher --limit more"
    )
