"""What a handler may change for the whole process, and how the next job finds it."""

from __future__ import annotations

import locale
import os
import signal
from collections.abc import Callable
from typing import Any

# What a process has for each job is asked without the names of the signals, which nobody
# reads here: the standard library makes half of the call's time of them.
_sigmask: Callable[..., Any] = getattr(
    signal.pthread_sigmask, "__wrapped__", signal.pthread_sigmask
)
_SETMASK = int(signal.SIG_SETMASK)


class Surroundings:
    """The working directory, file mode mask, locale and blocked signals of a process."""

    def __init__(self) -> None:
        """Take note of how they are now."""
        self._folder = os.getcwd()
        self._locale = locale.setlocale(locale.LC_ALL)
        self._blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        self._umask = os.umask(0o077)
        os.umask(self._umask)

    def restore(self) -> bool:
        """Make them as they were; return whether that could be done."""
        os.umask(self._umask)
        # The timeout of the next job is a signal, and so is its cancel.
        _sigmask(_SETMASK, self._blocked)
        try:
            if locale.setlocale(locale.LC_ALL) != self._locale:
                locale.setlocale(locale.LC_ALL, self._locale)
            if _folder() != self._folder:
                os.chdir(self._folder)
        except (OSError, locale.Error):
            return False
        return True


def _folder() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return None
