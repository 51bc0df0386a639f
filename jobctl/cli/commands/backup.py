"""jobctl backup: the store in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from jobctl.cli import render
from jobctl.cli.options import Json, session
from jobctl.core.units import counted, human_size

EXAMPLE = "jobctl backup jobs.tar"


def command(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where it goes.")],
    no_logs: Annotated[
        bool, typer.Option("--no-logs", help="Leave out what the handlers printed.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the file.")] = False,
    json: Json = False,
) -> None:
    """Write the store into a file, as it is at this moment.

    A daemon may run meanwhile. The file is a tar with a checksum of each of its files;
    `jobctl restore` reads it.
    """
    from jobctl import upkeep

    made = upkeep.backup(session(ctx).config, file, logs=not no_logs, force=force)
    if json:
        render.json({"file": str(file), "files": len(made.members), "bytes": made.size})
    else:
        render.lines([str(file)])
        size = human_size(made.size)
        render.note(f"{counted(len(made.members), 'file')} of the store, {size}")
