"""Where no garbage is looked for: many objects are made at a time, and all go by themselves.

The lines of a step are some ten thousand objects that live as long as it does. To look
through them, again and again as they become more, costs a tenth of a rebuild.
"""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _Uncollected:
    """How many are at it: whoever is the last lets garbage be looked for again."""

    def __init__(self) -> None:
        self.begin_anew()
        os.register_at_fork(after_in_child=self.forked)

    def begin_anew(self) -> None:
        self.lock = threading.Lock()
        self.count = 0
        self.collects = False  # when nobody is at it

    def enter(self) -> None:
        with self.lock:
            if not self.count:
                self.collects = gc.isenabled()
                gc.disable()
            self.count += 1

    def leave(self) -> None:
        with self.lock:
            self.count -= 1
            if not self.count and self.collects:
                gc.enable()

    def forked(self) -> None:
        """Begin anew in a child: those threads that were at it are not here."""
        if self.count and self.collects:
            gc.enable()
        self.begin_anew()


_them = _Uncollected()


@contextmanager
def uncollected() -> Iterator[None]:
    """Look for no garbage meanwhile, in any thread."""
    _them.enter()
    try:
        yield
    finally:
        _them.leave()
