"""Servers that some tools need: each measurement has one of its own, which ends with it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.peers.peer import NotThereError
from benchmarks.processes import until

#: Who runs PostgreSQL, which refuses root.
USER = "postgres"


@contextmanager
def redis(folder: Path, fsync: str) -> Iterator[tuple[int, str]]:
    """Run a Redis that syncs its log `always` or `everysec`; gives its pid and its socket.

    Raises NotThereError without redis-server.
    """
    server = shutil.which("redis-server")
    if server is None:
        raise NotThereError("redis-server is not installed")
    place = folder / "redis"
    place.mkdir()
    settings = {
        "port": "0", "unixsocket": str(place / "socket"), "dir": str(place), "save": "",
        "appendonly": "yes", "appendfsync": fsync, "logfile": str(place / "log"),
    }  # fmt: skip
    flags = [word for key, value in settings.items() for word in (f"--{key}", value)]
    with _server([server, *flags], "TERM") as pid:
        until(lambda: _listens(place / "socket"), "redis")
        yield pid, str(place / "socket")


def _listens(path: Path) -> bool:
    """Return whether a server takes connections: its socket is there before it does."""
    with socket.socket(socket.AF_UNIX) as client, suppress(OSError):
        client.connect(str(path))
        return True
    return False


@contextmanager
def postgres(folder: Path) -> Iterator[tuple[int, str]]:
    """Run a PostgreSQL as it is installed, synchronous_commit on; gives its pid and conninfo.

    Raises NotThereError without it.
    """
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        raise NotThereError("PostgreSQL is not installed")
    binaries, place = found[-1].parent, folder / "pg"
    place.mkdir()
    become: list[str] = []
    if os.geteuid() == 0:
        shutil.chown(place, USER)
        become = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
    data = place / "data"
    made = [*become, str(binaries / "initdb"), "-D", str(data), "-A", "trust", "-U", "bench"]
    subprocess.run([*made, "--no-sync"], check=True, capture_output=True)
    flags = [
        "-D", str(data), "-k", str(place), "-c", "listen_addresses=",
        "-c", "synchronous_commit=on", "-c", "fsync=on",
    ]  # fmt: skip
    with (place / "log").open("wb") as log:
        line = [*become, str(binaries / "postgres"), *flags]
        # SIGQUIT ends it at once; on SIGTERM it would wait for its clients.
        with _server(line, "QUIT", log.fileno()) as pid:
            ready = [str(binaries / "pg_isready"), "-q", "-h", str(place)]
            until(
                lambda: subprocess.run(ready, check=False).returncode == 0, "PostgreSQL", 0.02
            )
            yield pid, f"host={place} user=bench dbname=postgres"


@contextmanager
def _server(line: Sequence[str], signal: str, log: int = subprocess.DEVNULL) -> Iterator[int]:
    """Run a server that gets a signal when this ends, or dies."""
    # setpriv may stand twice: the kernel forgets the signal when the user changes.
    bound = ["setpriv", f"--pdeathsig={signal}"]
    at = line.index("--clear-groups") + 1 if "--clear-groups" in line else 0
    command = [*line[:at], *bound, *line[at:]]
    process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
