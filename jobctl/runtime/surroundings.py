"""What a handler may change for the whole process, and how the next job finds it."""

from __future__ import annotations

import locale
import os
import signal


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
        signal.pthread_sigmask(signal.SIG_SETMASK, self._blocked)
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
