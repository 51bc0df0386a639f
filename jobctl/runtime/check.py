"""Whether the handlers import, found out in a process of their own."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping

from jobctl.runtime.channel import Ready, Setup
from jobctl.runtime.server import Server


def import_all(setup: Setup, environ: Mapping[str, str]) -> Ready:
    """Import the handlers, and return what they are.

    Raises HandlerError with the user's traceback.
    """
    with tempfile.TemporaryFile() as slots:
        slots.truncate(4096)
        server = Server(setup, slots.fileno(), 1, environ)
        try:
            return server.wait_ready()
        finally:
            server.close()
