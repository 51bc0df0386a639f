"""jobctl dashboard: the web page, and the REST API behind it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from jobctl.cli import garbage, render
from jobctl.cli.options import session
from jobctl.errors import ConfigError

if TYPE_CHECKING:
    from jobctl.config import Config

EXAMPLE = "jobctl dashboard --url"


def command(
    ctx: typer.Context,
    host: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Where to listen: 127.0.0.1.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="On which port: 8642.")
    ] = None,
    allow_remote: Annotated[
        bool,
        typer.Option("--allow-remote", help="Let the address be one that others can reach."),
    ] = False,
    url: Annotated[
        bool, typer.Option("--url", help="Only print the address with its token, and end.")
    ] = False,
    stop_on_eof: Annotated[bool, typer.Option("--stop-on-eof", hidden=True)] = False,
) -> None:
    """Serve the dashboard and the REST API until stopped.

    It prints the address to open. What follows the # is the token, which a browser never
    sends; programs send it as `Authorization: Bearer TOKEN`.
    """
    try:
        from jobctl.web import server
    except ImportError as err:
        raise ConfigError(
            f"the dashboard needs {err.name}: pip install 'jobctl[dashboard]'"
        ) from None
    here = session(ctx)

    def reread() -> Config:
        from jobctl import bootstrap

        return bootstrap.open_config(here.config_flag, here.store_flag, deep=True)

    def ready(address: str, token: str) -> None:
        whole = server.with_token(address, token)
        if stop_on_eof:  # a daemon's: its words end up in a log, unless somebody looks on
            seen = render.on_terminal(sys.stderr)
            render.words(
                f"the dashboard is at {whole}"
                if seen
                else f"the dashboard is at {address} (`jobctl dashboard --url`)"
            )
            return
        render.lines([whole])
        sys.stdout.flush()
        render.note("open that in a browser; Ctrl-C ends it")

    if url:
        render.lines([server.known_url(here.config, host, port)])
        return
    garbage.collect()
    server.serve(
        here.deep_config,
        reread,
        host=host,
        port=port,
        allow_remote=allow_remote,
        stop_on_eof=stop_on_eof,
        ready=ready,
    )
