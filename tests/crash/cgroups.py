"""A memory cgroup for a test, if one may be made here (v2 or v1)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")


class MemoryCgroup:
    """A cgroup that was made for a test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def enter(self) -> list[str]:
        """Return the words before a command that make it run in here."""
        return ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', str(self.folder)]

    def empty(self) -> bool:
        """Return whether no process is left in it."""
        return not (self.folder / "cgroup.procs").read_text().split()


@contextmanager
def memory_cgroup(limit: int) -> Iterator[MemoryCgroup | str]:
    """Make a cgroup with so many bytes of memory, or give the reason why there is none."""
    made = _make(limit)
    try:
        yield made
    finally:
        if isinstance(made, MemoryCgroup):
            made.folder.rmdir()


def _make(limit: int) -> MemoryCgroup | str:
    version_1 = (_ROOT / "memory").is_dir()
    folder = _parent(version_1) / f"jobctl-test-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError as err:
        return f"no memory cgroup can be made here: {err.strerror}"
    try:
        (folder / ("memory.limit_in_bytes" if version_1 else "memory.max")).write_text(
            str(limit)
        )
    except OSError as err:
        folder.rmdir()
        return f"no cgroup here has a memory limit: {err.strerror}"
    return MemoryCgroup(folder)


def _parent(version_1: bool) -> Path:
    if version_1:
        return _ROOT / "memory"
    # Only one that has no processes, or the root, may hand memory on to those below it.
    try:
        control = _ROOT / "cgroup.subtree_control"
        if "memory" not in control.read_text().split():
            control.write_text("+memory")
    except OSError:
        pass  # then the limit cannot be set, and that is said
    return _ROOT
