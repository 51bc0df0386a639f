"""What the daemon's loop waits on."""

from __future__ import annotations

import selectors
from collections.abc import Callable
from typing import Any


class Loop:
    """Descriptors, and who is called when there is something to read from one."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def watch(self, what: Any, use: Callable[[], object]) -> None:
        """Call `use` whenever `what` can be read from."""
        self._selector.register(what, selectors.EVENT_READ, use)

    def forget(self, what: Any) -> None:
        """Watch it no longer; nothing happens if it is not watched."""
        try:
            self._selector.unregister(what)
        except KeyError:
            pass

    def wait(self, seconds: float) -> int:
        """Wait at most so long, and call those who have something to read; return how many."""
        events = self._selector.select(seconds)
        for key, _ in events:
            # What came before it may have closed this one.
            if self._selector.get_map().get(key.fd) is key:
                key.data()
        return len(events)
