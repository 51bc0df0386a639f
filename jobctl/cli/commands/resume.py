"""jobctl resume: jobs that rest go on."""

from __future__ import annotations

from typing import Annotated

import typer

from jobctl.cli import pauses, render
from jobctl.cli.options import Json, session
from jobctl.core.text import nearest

EXAMPLE = "jobctl resume hello"


def command(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME...]", help="Job names; none: all jobs.")
    ] = None,
    json: Json = False,
) -> None:
    """End the pause of a name; without a name, every pause."""
    here = session(ctx)
    ended = {name: here.queue.resume(name) for name in names or (None,)}
    if json:
        render.json(pauses.records([one for some in ended.values() for one in some]))
    rest = here.queue.paused()
    for name in (name for name, some in ended.items() if not some):
        right = nearest(name, [one.name for one in rest if one.name]) if name else None
        hint = f" (did you mean {right}?)" if right else ""
        render.note(f"{name} was not paused{hint}" if name else "nothing was paused")
    if rest and rest[0].name is None:
        render.note("all jobs still rest: `jobctl resume` without a name ends that")
