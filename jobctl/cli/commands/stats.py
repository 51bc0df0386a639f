"""jobctl stats: how many jobs have each status."""

from __future__ import annotations

from typing import Annotated

import typer

from jobctl.cli import filters, render
from jobctl.cli.options import Json, session
from jobctl.errors import InvalidJob

EXAMPLE = "jobctl stats --json"


def command(
    ctx: typer.Context,
    chosen: filters.Filters = None,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Look again and again, until Ctrl-C.")
    ] = False,
    interval: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Between two looks; 2s if unset.")
    ] = None,
    json: Json = False,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="With --watch: as --json.")] = False,
) -> int:
    """Count the jobs by status: all, or those that match.

    With --watch there are rates, what runs and what failed last, too: on a terminal as a view
    that is kept up to date, elsewhere as a line, or with --json an object, for each look.
    """
    here = session(ctx)
    wanted = filters.parse(chosen) if chosen else None
    if watch:
        if wanted is not None:
            raise InvalidJob("a filter and --watch do not go together: give one")
        from jobctl.cli import watching

        every = watching.interval(interval or "2s")
        return watching.watch(here, every, as_json=json or jsonl)
    if interval is not None or jsonl:
        raise InvalidJob(f"{'--jsonl' if jsonl else '--interval'} goes with --watch")
    counts = here.queue.stats(wanted).as_dict()
    if json:
        render.json(counts)
    else:
        render.table(("STATUS", "JOBS"), [(name, str(n)) for name, n in counts.items()])
        from jobctl.cli import pauses

        pauses.remind(here.queue.paused())
    return 0
