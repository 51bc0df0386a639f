"""How many processes the kernel has ended because memory ran out: its own count."""

from __future__ import annotations

from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")
#: For a machine without memory cgroups, or a process in the root of them.
_MACHINE = Path("/proc/vmstat")


class OomCount:
    """The kernel's count for the cgroup of this process."""

    def __init__(self) -> None:
        self._seen = kills()

    def rose(self) -> bool:
        """Return whether the kernel has killed anybody since the last question."""
        before, self._seen = self._seen, kills()
        return self._seen > before


def kills() -> int:
    """Return how many processes of this cgroup, or of this machine, ran out of memory.

    It is 0 where nobody counts.
    """
    for path in (*_files(), _MACHINE):
        found = _count(path)
        if found is not None:
            return found
    return 0


def _files() -> list[Path]:
    try:
        lines = _OWN.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if "memory" in controllers.split(","):  # version 1, where it is mounted by name
            found.append(_CGROUPS / "memory" / path.lstrip("/") / "memory.oom_control")
        elif number == "0":
            found.append(_CGROUPS / path.lstrip("/") / "memory.events")
    return found


def _count(path: Path) -> int | None:
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return None
    counts = (line.split() for line in lines)
    return next((int(words[1]) for words in counts if words[:1] == ["oom_kill"]), None)
