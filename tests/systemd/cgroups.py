"""A place of its own among the cgroups for each machine.

systemd-nspawn makes `payload` and `supervisor` beside the process that started it, and
nobody removes them from a machine that was switched off by force: the next one would not
boot, nor would two at once.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.helpers import eventually

_ROOT = Path("/sys/fs/cgroup")
_ENTER = """
while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs" || exit; shift; done
shift
exec "$@"
"""


@contextmanager
def own_cgroups() -> Iterator[list[str]]:
    """Make cgroups, and give the words before a command that make it run in them."""
    made = [folder for folder in _wanted() if _make(folder)]
    try:
        yield ["sh", "-c", _ENTER, "sh", *map(str, made), "--"]
    finally:
        for folder in made:
            _remove(folder)


def _wanted() -> Iterator[Path]:
    """Yield a folder below our own in each hierarchy that systemd uses."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        number, controllers, path = line.split(":", 2)
        if controllers == "name=systemd":
            base = _ROOT / "systemd"
        elif number == "0":
            base = _ROOT / "unified" if (_ROOT / "unified").is_dir() else _ROOT
        else:
            continue
        yield base / path.lstrip("/") / f"jobctl-test-{os.getpid()}"


def _make(folder: Path) -> bool:
    try:
        folder.mkdir()
    except OSError:
        return False  # then the machine runs where we do, as far as it goes
    return True


def _remove(folder: Path) -> None:
    folders = sorted(path for path in folder.rglob("*") if path.is_dir())
    for path in [*reversed(folders), folder]:
        # It stays busy until the kernel has done with the last process.
        eventually(lambda path=path: _gone(path))  # type: ignore[misc]  # a loop's value


def _gone(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
