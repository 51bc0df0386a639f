"""The only reader of the clocks, and of the zone that the machine keeps its time in."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

_LINK = Path("/etc/localtime")
_NAME = Path("/etc/timezone")


class Clock(Protocol):
    """What time it is, for those who must ask."""

    def now(self) -> datetime:
        """Return the wall clock's time, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds of a clock that never jumps; shared by all processes of a boot."""
        ...

    def boot(self) -> float:
        """Return the seconds since the boot, those included in which the machine slept."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def boot(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)


def local_zone(environ: Mapping[str, str]) -> str:
    """Return the IANA name of the zone that TZ or the machine names, UTC if there is none."""
    from zoneinfo import ZoneInfo

    for name in _candidates(environ):
        try:
            return ZoneInfo(name).key
        except (ValueError, OSError, LookupError):
            continue  # such as CET-1CEST, which is no name
    return "UTC"


def _candidates(environ: Mapping[str, str]) -> Iterator[str]:
    yield environ.get("TZ", "").removeprefix(":")
    yield os.path.realpath(_LINK).partition("/zoneinfo/")[2]
    try:
        yield _NAME.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        pass
