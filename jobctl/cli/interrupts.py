"""Ctrl-C between two steps of something: a step that has begun comes to its end."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType


class Interrupts:
    """While this context lasts, Ctrl-C waits from `hold` to `release`.

    A second one does not wait any more.
    """

    def __init__(self) -> None:
        self._held = False
        self._asked = False

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, self._before)

    def hold(self) -> None:
        """Let Ctrl-C wait."""
        self._held = True

    def release(self) -> None:
        """Let Ctrl-C happen; raises KeyboardInterrupt if it came meanwhile."""
        self._held = False
        if self._asked:
            raise KeyboardInterrupt

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if not self._held or self._asked:
            raise KeyboardInterrupt
        self._asked = True
