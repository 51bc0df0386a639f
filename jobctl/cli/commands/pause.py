"""jobctl pause: jobs that shall rest for a while."""

from __future__ import annotations

from typing import Annotated

import typer

from jobctl.cli import known, pauses, render
from jobctl.cli.options import Json, session
from jobctl.errors import InvalidJob
from jobctl.services.pausing import subject, undo

EXAMPLE = "jobctl pause hello"


def command(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME...]", help="Job names; none: all jobs.")
    ] = None,
    show: Annotated[bool, typer.Option("--list", help="Only show what rests.")] = False,
    json: Json = False,
) -> None:
    """Start no more jobs of a name, or none at all.

    What runs goes on. `jobctl resume` ends it.
    """
    here = session(ctx)
    if show:
        if names:
            raise InvalidJob("--list takes no NAME: it shows all that rests")
        pauses.show(here.queue.paused(), as_json=json)
        return
    done = [here.queue.pause(name) for name in names or (None,)]
    if names:
        known.note_unknown(here, names, "nothing rests until there are jobs of that name")
    if json:
        render.json(pauses.records(done))
    for one in done:
        render.note(f"{subject(one)} until `{undo(one)}`; what runs goes on")
