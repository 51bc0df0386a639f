"""Whether the handlers import, found out in a process of their own."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping

from jobctl.errors import HandlerError
from jobctl.runtime.channel import Setup
from jobctl.runtime.server import Server


def import_problem(setup: Setup, environ: Mapping[str, str]) -> str | None:
    """Import the handlers; return what went wrong with the user's traceback, or None."""
    with tempfile.TemporaryFile() as slots:
        slots.truncate(4096)
        server = Server(setup, slots.fileno(), 1, environ)
        try:
            server.wait_ready()
        except HandlerError as err:
            return str(err)
        finally:
            server.close()
    return None
