"""jobctl run: the daemon that runs the jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from jobctl.cli import garbage
from jobctl.cli.options import session

if TYPE_CHECKING:
    from jobctl.config import Config

EXAMPLE = "jobctl run --burst --concurrency 2"


def command(
    ctx: typer.Context,
    concurrency: Annotated[
        int | None, typer.Option(min=1, help="How many jobs run at once.")
    ] = None,
    handlers: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODULE",
            help="A module with handlers, dotted or a .py file, found from here. Repeatable.",
        ),
    ] = None,
    burst: Annotated[bool, typer.Option("--burst", help="Run what is due, then end.")] = False,
    standby: Annotated[
        bool, typer.Option("--standby", help="Wait for the daemon that runs now to end.")
    ] = False,
    dashboard: Annotated[
        bool, typer.Option("--dashboard", help="Serve the dashboard too, beside it.")
    ] = False,
    process: Annotated[
        list[str] | None, typer.Option("--process", metavar="NAME=MODULE:FUNCTION", hidden=True)
    ] = None,
    stop_on_eof: Annotated[bool, typer.Option("--stop-on-eof", hidden=True)] = False,
) -> int:
    """Run jobs until stopped. Ctrl-C and SIGTERM let running jobs finish."""
    from jobctl import bootstrap

    garbage.collect()
    here = session(ctx)

    def read() -> Config:
        config = bootstrap.open_config(here.config_flag, here.store_flag, deep=True)
        return bootstrap.with_flags(config, concurrency=concurrency, handlers=handlers)

    return bootstrap.run_daemon(
        read(),
        reread=read,
        burst=burst,
        standby=standby,
        processes=process or (),
        stop_on_eof=stop_on_eof,
        dashboard=dashboard,
    )
