"""The server: binds, says where it is, and serves until a signal ends it."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import quote

import uvicorn

from jobctl import bootstrap
from jobctl.core.data import show
from jobctl.errors import ConfigError
from jobctl.web.app import build
from jobctl.web.auth import VARIABLE, find_token
from jobctl.web.backend import Backend
from jobctl.web.connection import Connection
from jobctl.web.wire import App

if TYPE_CHECKING:
    from types import FrameType

    from jobctl.config import Config

HOST, PORT = "127.0.0.1", 8642
#: Characters of a token that strangers may try to guess.
SHORTEST = 20
#: Seconds that open requests have when the server ends.
LAST_WORDS = 3
#: Requests and idle connections at a time.
CONNECTIONS = 200
#: Bytes of a request's line and headers.
HEADERS = 32 * 1024

_REMOTE = (
    "{host} can be reached from other machines, and without TLS the token could be read on "
    "the way: use 127.0.0.1 behind a reverse proxy that has TLS and keeps Host and Origin as "
    "they are, with its name in [dashboard] hosts; or say --allow-remote"
)


def bind(host: str, port: int, *, allow_remote: bool) -> socket.socket:
    """Return a socket that listens. Raises ConfigError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        if not allow_remote and not ip_address(address[0]).is_loopback:
            raise ConfigError(_REMOTE.format(host=host))
        listening = socket.create_server(address[:2], family=family)
    except socket.gaierror as err:
        raise ConfigError(f"the host {show(host)} is not known: {err.strerror}") from None
    except OSError as err:
        raise ConfigError(
            f"{host} port {port} cannot be used ({err.strerror}): choose another with --port"
        ) from None
    # asyncio does so for sockets that it makes itself. Without, an answer's body waits for
    # the acknowledgement of its head: 40 ms.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _is_local(listening: socket.socket) -> bool:
    return ip_address(listening.getsockname()[0]).is_loopback


def address(listening: socket.socket) -> str:
    """Return the URL at which a socket listens."""
    host, port = listening.getsockname()[:2]
    if ip_address(host).is_unspecified:
        host = "127.0.0.1" if listening.family == socket.AF_INET else "::1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def with_token(url: str, token: str) -> str:
    """Return the address that a person opens: a browser keeps the fragment to itself."""
    return f"{url}/admin#token={quote(token, safe='')}"


class Server(uvicorn.Server):
    """A server that says when it takes requests, and tells its streams when it ends."""

    def __init__(
        self,
        app: App,
        on_exit: Callable[[], object],
        on_start: Callable[[], object] = lambda: None,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=Connection,
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                limit_concurrency=CONNECTIONS,
                h11_max_incomplete_event_size=HEADERS,
                timeout_graceful_shutdown=LAST_WORDS,
            )
        )
        self._on_exit = on_exit
        self._on_start = on_start

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_start()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # Not uvicorn's own, which kills the process with the signal once all is done.
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.stop()

    def stop(self) -> None:
        """Begin to end."""
        self._on_exit()
        self.should_exit = True


def serve(
    config: Config,
    reread: Callable[[], Config],
    *,
    host: str | None = None,
    port: int | None = None,
    allow_remote: bool = False,
    stop_on_eof: bool = False,
    ready: Callable[[str, str], None],
) -> None:
    """Serve until SIGTERM or Ctrl-C; with `stop_on_eof`, until standard input ends too.

    The flags beat [dashboard]. `ready` is told the URL and the token when requests are
    taken. `reread` reads an edited configuration. Raises ConfigError or StoreError.
    """
    listening = bind(*where(config, host, port), allow_remote=_remote(config, allow_remote))
    store = bootstrap.open_store(config)
    try:
        with listening:
            token = find_token(store.files, os.environ)
            if len(token) < SHORTEST and not _is_local(listening):
                raise ConfigError(
                    f"the token has {len(token)} characters, and others can reach this "
                    f"address: use {SHORTEST} at least, or unset {VARIABLE} to have one made"
                )
            backend = Backend(store, config, reread)
            app = build(backend, token, config.dashboard.get("hosts", ()))
            url = address(listening)
            server = Server(app, backend.closing.set, lambda: ready(url, token))
            if stop_on_eof:
                threading.Thread(target=_wait_for_end, args=(server,), daemon=True).start()
            server.run(sockets=[listening])
    finally:
        store.close()


def known_url(config: Config, host: str | None, port: int | None) -> str:
    """Return the address that a person opens, of a server that runs or will run.

    Raises ConfigError or StoreError.
    """
    name, number = where(config, host, port)
    name = f"[{name}]" if ":" in name else name
    store = bootstrap.open_store(config)
    try:
        return with_token(f"http://{name}:{number}", find_token(store.files, os.environ))
    finally:
        store.close()


def where(config: Config, host: str | None, port: int | None) -> tuple[str, int]:
    """Return the host and port to listen on: a flag's, else the configuration's."""
    said = config.dashboard
    return (
        said.get("host", HOST) if host is None else host,
        said.get("port", PORT) if port is None else port,
    )


def _remote(config: Config, flag: bool) -> bool:
    return flag or bool(config.dashboard.get("allow_remote", False))


def _wait_for_end(server: Server) -> None:
    with suppress(OSError):
        while os.read(sys.stdin.fileno(), 4096):
            pass
    server.stop()
