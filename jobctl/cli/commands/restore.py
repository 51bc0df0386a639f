"""jobctl restore: the store of a backup."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from jobctl.cli import render
from jobctl.cli.options import Json, session
from jobctl.cli.words import local
from jobctl.core.units import counted

EXAMPLE = "jobctl restore jobs.tar --force"


def command(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `jobctl backup` wrote.")],
    check: Annotated[
        bool, typer.Option("--check", help="Only see whether it is whole.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="In place of a store, which is kept aside.")
    ] = False,
    json: Json = False,
) -> None:
    """Put back the store of a backup.

    It goes where the configured store is, or shall be. All of it is checked before anything
    is moved. No daemon may run. Jobs that were running as the backup was made will run again.
    """
    from jobctl import upkeep

    if check:
        made = upkeep.check_backup(file)
        if json:
            render.json({"made_at": made.made_at, "files": len(made.members)})
        render.note(f"{file} is whole: made at {local(made.made_at)}")
        return
    config = session(ctx).config
    done = upkeep.restore(config, file, force=force)
    aside = None if done.aside is None else str(done.aside)
    if json:
        made_at = done.manifest.made_at
        render.json({"store": str(config.store), "made_at": made_at, "aside": aside})
    else:
        render.lines([str(config.store)])
    render.note(f"the store is as it was at {local(done.manifest.made_at)}")
    if aside is not None:
        render.note(f"the one that was there is {aside}")
    if done.examined.findings:
        render.note(
            f"{counted(len(done.examined.findings), 'thing')} was wrong with it then: "
            "jobctl doctor says what"
        )
