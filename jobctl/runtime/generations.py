"""The fork servers of a daemon: one a generation of the handlers' code.

One is in use. After a reload, or when that one has died, another one gets ready in the
meantime; when its handlers are imported it takes over. The workers of the one before end
what they are at, and it goes with the last of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from jobctl.errors import JobctlError
from jobctl.runtime.channel import Exited, Forked, Ready, Setup, Unforked
from jobctl.runtime.family import VARIABLE, Family
from jobctl.runtime.server import Server
from jobctl.runtime.systemd import PRIVATE

News = Forked | Unforked | Exited


class Generations:
    """All fork servers of a daemon.

    `watch` and `forget` are the loop's. `on_news` is told what becomes of workers,
    `on_ready` which server takes over, `on_broken` why one could not, `on_death` that one
    that had workers has died. `check` raises JobctlError if a server that is ready must not
    take over.
    """

    def __init__(
        self,
        family: Family,
        slots_fd: int,
        slots: int,
        *,
        watch: Callable[[Any, Callable[[], object]], None],
        forget: Callable[[Any], None],
        on_news: Callable[[News], None],
        on_ready: Callable[[Server, Ready], None],
        on_broken: Callable[[JobctlError], None],
        on_death: Callable[[], None],
        check: Callable[[Ready], None],
    ) -> None:
        self._family = family
        self._slots = (slots_fd, slots)
        self._watch = watch
        self._forget = forget
        self._on_news = on_news
        self._on_ready = on_ready
        self._on_broken = on_broken
        self._on_death = on_death
        self._check = check
        self.current: Server | None = None
        self._next: Server | None = None
        self._retired: list[Server] = []

    @property
    def preparing(self) -> bool:
        """Whether one is getting ready."""
        return self._next is not None

    def start(self, setup: Setup) -> Server:
        """Start a server."""
        environ = {**os.environ, VARIABLE: self._family.id}
        for name in PRIVATE:
            environ.pop(name, None)
        server = Server(setup, *self._slots, environ)
        self._family.add(server.pid)
        return server

    def use(self, server: Server) -> None:
        """Take a server that is ready into use."""
        if self.current is not None:
            self._retired.append(self.current)
        self.current = server
        self._watch(server.sock, lambda: self._listen(server))

    def prepare(self, setup: Setup) -> None:
        """Start the next one; it is heard of when it is ready or broken."""
        server = self._next = self.start(setup)
        self._watch(server.sock, lambda: self._hear(server))

    def release(self, still_used: Callable[[Server], bool]) -> None:
        """Close those that are no longer in use and have no workers left."""
        for server in [one for one in self._retired if not still_used(one)]:
            self._retired.remove(server)
            self._forget(server.sock)
            self._close(server)

    def close(self) -> None:
        """Close all of them, and with them all workers."""
        for server in (self._next, self.current, *self._retired):
            if server is not None:
                server.close()

    def _hear(self, server: Server) -> None:
        self._forget(server.sock)
        self._next = None
        try:
            ready = server.wait_ready()  # something is there to be read: it does not wait
            self._check(ready)
        except JobctlError as err:
            self._close(server)
            self._on_broken(err)
            return
        self.use(server)
        self._on_ready(server, ready)

    def _listen(self, server: Server) -> None:
        if server.listen(self._on_news):
            return
        # Its workers die with it. Those of the others are ended too: it is the same family,
        # and a server does not die without a reason that the next one should not inherit.
        for one in (self.current, *self._retired):
            if one is not None:
                self._forget(one.sock)
        self._family.end_members()
        for one in (self.current, *self._retired):
            if one is not None:
                one.close()
        self.current, self._retired = None, []
        if self._next is not None:
            self._forget(self._next.sock)
            self._next.close()
            self._next = None
        self._on_death()

    def _close(self, server: Server) -> None:
        server.close()
        self._family.remove(server.pid)
