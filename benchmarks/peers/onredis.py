"""What the tools on Redis have in common: a Redis of their own, over a Unix socket."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.peers.peer import Peer
from benchmarks.peers.services import redis

#: How often Redis syncs its log: with each command, or once a second.
FSYNCS = ["always", "everysec"]


def socket(folder: Path) -> str:
    """Return where the Redis of a folder listens."""
    return str(folder / "redis/socket")


class OnRedis(Peer):
    """A tool whose jobs are kept by Redis; the setting begins with how it syncs."""

    @contextmanager
    def serve(self) -> Iterator[None]:
        fsync = self.setting.split()[0]
        with redis(self.folder, fsync) as (self.server, _):
            ask = ["redis-cli", "-s", socket(self.folder), "config", "get", "appendfsync"]
            found = subprocess.check_output(ask, text=True).split()[-1]
            self.must_be("appendfsync", found, fsync)
            yield
