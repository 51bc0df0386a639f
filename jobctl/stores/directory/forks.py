"""Stores and os.fork: a child shares nothing with its parent but the folder.

SQLite keeps its locks in the memory of a process, by file, and the kernel's do not pass to a
child (sqlite.org/howtocorrupt.html, section 2.6): a connection that is open while a process
forks would make the child believe that it holds locks that it does not have, for every
connection that it opens itself. So all are closed before, by the parent, while nobody is
at work; who opens them anew at the next question is each for himself.
"""

from __future__ import annotations

import os
import threading
import weakref
from contextlib import suppress
from typing import Protocol


class Forking(Protocol):
    """What wants to know of forks."""

    def before_fork(self) -> None:
        """Come to rest."""

    def after_fork(self) -> None:
        """Go on in the parent."""

    def forked(self) -> None:
        """Begin anew in the child."""


_watched: weakref.WeakSet[Forking] = weakref.WeakSet()
#: Files that threads wait to lock: of these a child has copies that only it can close.
waiting: set[int] = set()
_one_at_a_time = threading.RLock()
_resting: list[Forking] = []


def watch(store: Forking) -> None:
    """Tell a store of forks for as long as it lives."""
    _watched.add(store)


def _before() -> None:
    _one_at_a_time.acquire()
    _resting[:] = list(_watched)
    for store in _resting:
        store.before_fork()


def _in_parent() -> None:
    for store in _resting:
        store.after_fork()
    _resting.clear()
    _one_at_a_time.release()


def _in_child() -> None:
    for store in _resting:
        store.forked()
    _resting.clear()
    for fd in waiting:
        with suppress(OSError):
            os.close(fd)
    waiting.clear()
    _one_at_a_time.release()


os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
