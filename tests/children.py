"""Forked children of a test: what they found comes back, or what went wrong."""

from __future__ import annotations

import os
import pickle
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


class Child:
    """A forked process that does one thing. `result` waits for it."""

    def __init__(self, work: Callable[[], Any]) -> None:
        read, write = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # that there are threads
            self.pid = os.fork()
        if not self.pid:
            os.close(read)
            told: tuple[bool, Any] = (False, "it ended before it had a result")
            try:
                told = (True, work())
            except BaseException:
                told = (False, traceback.format_exc())
            finally:
                with open(write, "wb") as file:
                    file.write(pickle.dumps(told))
                os._exit(0)
        os.close(write)
        self._read = read

    def told(self) -> tuple[bool, Any] | None:
        """Return whether its work came to an end, and what it returned or its traceback.

        None if it was killed.
        """
        with open(self._read, "rb") as file:
            text = file.read()
        os.waitpid(self.pid, 0)
        return pickle.loads(text) if text else None

    def result(self) -> Any:
        """Return what the child's work returned; fail with its traceback if it raised."""
        told = self.told()
        assert told is not None, "it was killed"
        assert told[0], told[1]
        return told[1]


def in_child(work: Callable[[], T]) -> T:
    """Return what `work` returns in a forked child."""
    result: T = Child(work).result()
    return result


def open_files(folder: Path) -> list[str]:
    """Return the files of a folder that this process has open."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue
        if target.startswith(f"{folder}/"):
            found.append(target)
    return sorted(found)


def held_locks(path: Path) -> int:
    """Return how many locks this process has in the kernel on a file."""
    inode = str(path.stat().st_ino)
    words = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    return sum(
        1
        for one in words
        if str(os.getpid()) in one and any(word.endswith(f":{inode}") for word in one)
    )
