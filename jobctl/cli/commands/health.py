"""jobctl health: whether jobs are being run."""

from __future__ import annotations

from typing import Annotated

import typer

from jobctl.cli import render
from jobctl.cli.options import Json, session

SICK = 1


def command(
    ctx: typer.Context,
    max_wait: Annotated[
        str, typer.Option(metavar="DURATION", help="How long a job may be due.")
    ] = "1h",
    json: Json = False,
) -> int:
    """Say whether the daemon runs and moves, the disk can be written, and jobs get their turn.

    The exit code is 0 if all is well, and 1 if anything is not: a schedule without a success
    within its expect_within, too.
    """
    from jobctl import bootstrap, scheduling

    config = session(ctx).deep_config
    health = bootstrap.check_health(config, max_wait, scheduling.known(config).values())
    if json:
        render.json(health)
    else:
        rows = [
            (check.name, "ok" if check.ok else "failed", check.message)
            for check in health.checks
        ]
        render.table(("CHECK", "STATE", "WHY"), rows)
    return 0 if health.healthy else SICK
