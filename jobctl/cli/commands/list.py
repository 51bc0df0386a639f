"""jobctl list: the newest jobs, or those that a filter chooses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from jobctl.cli import filters, render, targets
from jobctl.cli.options import Json, Session, session
from jobctl.errors import InvalidJob
from jobctl.services import looking

if TYPE_CHECKING:
    from jobctl.core.filters import Filter

EXAMPLE = "jobctl list --status failed --limit 5"


def command(
    ctx: typer.Context,
    chosen: filters.Filters = None,
    status: Annotated[
        str | None,
        typer.Option(help="pending, running, completed, failed or cancelled."),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Only jobs of this name; * stands for any text.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    offset: Annotated[int, typer.Option(min=0, help="Skip so many of the newest.")] = 0,
    json: Json = False,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="Print a JSON object a line.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print ids alone.")] = False,
) -> None:
    """List jobs, the newest first.

    Filters choose among them: status:failed name:send-* age>2h data.to=a@b.c error~timeout.
    """
    here = session(ctx)
    if json + jsonl + quiet > 1:
        raise InvalidJob("--json, --jsonl and -q exclude each other: give one")
    wanted = looking.chosen(filters.parse(chosen or ()), status, name)
    page = here.queue.stream(wanted, limit=limit, offset=offset)
    if json:
        render.json([here.record(job) for job in page])
    elif jsonl:
        for job in page:
            render.json(here.record(job), one_line=True)
    elif quiet:
        render.lines(job.id for job in page)
    elif rows := list(page):
        targets.show_rows(rows)
    else:
        render.note("no jobs" if not wanted.terms else "no job matches")
    if page.more:
        _say_cut(here, wanted, limit, offset)


def _say_cut(here: Session, wanted: Filter, limit: int, offset: int) -> None:
    of = ""
    if wanted.quick:
        of = f" of {here.queue.stats(wanted).total:,}"
    render.note(
        f"jobs {offset + 1:,} to {offset + limit:,}{of}, the newest first; "
        f"--offset {offset + limit} shows the next, a higher --limit more"
    )
