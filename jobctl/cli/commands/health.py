"""jobctl health: whether jobs are being run."""

from __future__ import annotations

from typing import Annotated

import typer

from jobctl.cli import render
from jobctl.cli.options import Json, session
from jobctl.cli.words import duration

EXAMPLE = "jobctl health --json"

SICK = 1


def command(
    ctx: typer.Context,
    max_wait: Annotated[
        str, typer.Option(metavar="DURATION", help="How long a job may be due.")
    ] = "1h",
    json: Json = False,
) -> int:
    """Say whether all is well: daemon, disk, jobs, schedules.

    The daemon must run and move, the disk be writable, jobs get their turn, and schedules
    succeed within their expect_within. The exit code is 1 if anything is wrong.
    """
    from jobctl import scheduling, upkeep

    longest = duration(max_wait, "--max-wait")
    config = session(ctx).deep_config
    health = upkeep.check_health(config, longest, scheduling.known(config).values())
    if json:
        render.json(health)
    else:
        rows = [
            (check.name, "ok" if check.ok else "failed", check.message)
            for check in health.checks
        ]
        render.table(("CHECK", "STATE", "WHY"), rows)
    return 0 if health.healthy else SICK
