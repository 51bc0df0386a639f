"""What a tool costs while nothing happens, and what its disk does while it is busy."""

from __future__ import annotations

import os
import re
import shutil
import signal
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.kit import Figure
from benchmarks.peers.peer import NotThereError, Peer
from benchmarks.peers.work import Stamps, job
from benchmarks.peers.working import FIRST, put
from benchmarks.processes import (
    PATIENCE,
    cpu_seconds,
    family,
    leaves,
    memory,
    running,
    until,
    written,
)

Process = subprocess.Popen[bytes]
MIB = 1 << 20
#: The calls that make a file durable.
SYNCS = "fsync,fdatasync,sync_file_range,msync,sync,syncfs"


def idle(peer: Peer, seconds: float) -> Iterator[Figure]:
    """Yield the memory of a tool with two workers that have run, and its idle CPU."""
    stamps = Stamps(peer.folder / "stamps", FIRST)
    peer.open()
    servers = [] if peer.server is None else [peer.server]
    with running(peer.workers(2), peer.folder / "worker.log") as started:
        put(peer, [job(n, 0.05) for n in range(FIRST)])  # long enough to make both work
        until(lambda: stamps.all(FIRST), "the first jobs")
        time.sleep(1)  # so that what follows the last job is over
        roots = [process.pid for process in started]
        everybody = family([*roots, *servers])
        sizes = {pid: memory(pid) for pid in everybody}
        yield Figure("memory", sum(one["Pss"] for one in sizes.values()) / MIB, "MiB")
        yield Figure("memory rss", sum(one["Rss"] for one in sizes.values()) / MIB, "MiB")
        own = statistics.median(sizes[pid]["Own"] for pid in leaves(roots) if pid in sizes)
        yield Figure("worker own", own / MIB, "MiB")
        yield Figure("daemon rss", sizes[roots[0]]["Rss"] / MIB, "MiB")
        before, begun = cpu_seconds(everybody), time.monotonic()
        time.sleep(seconds)  # what is used meanwhile is measured
        used = cpu_seconds(everybody) - before
        yield Figure("idle cpu", 100 * used / (time.monotonic() - begun), "%")


def disk(peer: Peer, size: int) -> Iterator[Figure]:
    """Yield the syncs and bytes a job in a busy drain, those of a server included.

    strace counts the syncs. It slows the drain, and so makes its batches smaller: more syncs
    are counted than there would be. Bytes are what the kernel counts as sent to the disk.
    Raises NotThereError without strace.
    """
    if shutil.which("strace") is None:
        raise NotThereError("strace is not installed")
    stamps = Stamps(peer.folder / "stamps", size)
    peer.open()
    put(peer, [job(n) for n in range(size)])
    servers = [] if peer.server is None else [peer.server]
    before, counts = written(family(servers)), peer.folder / "syncs"
    watch = [_strace(f"{counts}-server", *(f"-p{pid}" for pid in family(servers)))]
    lines = [
        _strace(f"{counts}{n}", "--seccomp-bpf", *line)
        for n, line in enumerate(peer.workers(2))
    ]
    log = peer.folder / "worker.log"
    with running(watch[: len(servers)], log) as watchers, running(lines, log) as traces:
        until(lambda: stamps.all(size), "the last job", 0.01)
        time.sleep(0.3)  # the end of the last job is synced after it began
        tracers = {process.pid for process in traces}
        everybody = {*family(servers), *family(tracers)} - tracers
        sent = written(everybody) - before
        _end(traces, watchers)
    syncs = sum(_calls(file) for file in peer.folder.glob("syncs*"))
    yield Figure("syncs", syncs / size, "a job")
    yield Figure("bytes", sent / size, "bytes a job")


def _strace(table: str, *what: str) -> list[str]:
    return ["strace", "-f", "-c", "-e", f"trace={SYNCS}", "-o", table, *what]


def _end(traces: list[Process], watchers: list[Process]) -> None:
    """End what is traced. strace writes its table when that is gone, or on SIGINT."""
    for trace in traces:
        os.kill(family([trace.pid])[1], signal.SIGTERM)
    for watcher in watchers:
        watcher.send_signal(signal.SIGINT)
    for process in traces + watchers:
        process.wait(PATIENCE)


def _calls(file: Path) -> int:
    """Return how many calls a table of strace counts: the fourth column of its rows."""
    rows = re.findall(
        r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?(?!total)\w+$", file.read_text(), re.M
    )
    return sum(int(calls) for calls in rows)
