"""Where and with what the figures were taken."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import jobctl
from benchmarks.kit import ROOT


def facts(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield what a reader must know of the machine; `folder` is on the disk that was used."""
    yield "date", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    commit = _said(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"])
    yield "jobctl", f"{jobctl.__version__}, commit {commit or 'unknown'}"
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    cores = len(os.sched_getaffinity(0))
    yield "processor", f"{cores} cores, {model[1] if model else platform.machine()}"
    yield "memory", f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') >> 30} GiB"
    yield "kernel", platform.release()
    disk = _said(["findmnt", "-n", "-o", "SOURCE,FSTYPE,OPTIONS", "-T", str(folder)])
    yield "disk", " ".join(disk.split())
    yield "Python", platform.python_version()
    yield "load before the run", " ".join(f"{load:.1f}" for load in os.getloadavg())


def versions() -> Iterator[tuple[str, str]]:
    """Yield the peers' versions as they are pinned, and those of the servers."""
    for line in (ROOT / "benchmarks/requirements.txt").read_text().splitlines():
        name, _, version = line.partition("==")
        if version:
            yield name, version
    if found := re.search(r"v=(\S+)", _said(["redis-server", "--version"])):
        yield "Redis", found[1]
    for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres")):
        yield "PostgreSQL", _said([str(path), "--version"]).split()[2]


def _said(line: list[str]) -> str:
    try:
        return subprocess.run(line, capture_output=True, text=True, check=False).stdout.strip()
    except FileNotFoundError:
        return ""
