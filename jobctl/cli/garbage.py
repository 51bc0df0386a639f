"""When garbage is looked for: by commands that go on, not by those that are over at once."""

from __future__ import annotations

import gc


def leave() -> None:
    """Look for none: a command that is over in a moment leaves it to the process's end."""
    gc.disable()


def collect() -> None:
    """Look for it from now on. What is there already stays, and is not looked at again."""
    # To look through all that was imported takes as long as to import a tenth of it.
    gc.freeze()
    # A daemon makes some ten thousand objects for a batch of jobs, which go by themselves:
    # looked through every 700 new ones they cost a thirtieth of its time.
    gc.set_threshold(20_000)
    gc.enable()
