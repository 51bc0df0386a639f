"""jobctl stats --watch: one look after the other."""

from __future__ import annotations

import shutil
import signal
import sys
import time
from types import FrameType

from jobctl.cli import garbage, overview, render
from jobctl.cli.options import Session
from jobctl.cli.words import duration
from jobctl.clock import SystemClock
from jobctl.errors import InvalidJob

#: The shortest time between two looks, in seconds.
SHORTEST = 0.1


def interval(text: str) -> float:
    """Return the time between two looks in seconds. Raises InvalidJob."""
    found = duration(text, "--interval")
    if found < SHORTEST:
        raise InvalidJob(f"--interval: {text!r} is too short: use 100ms or more")
    return found


def _interrupt_once() -> None:
    """Let the first Ctrl-C raise KeyboardInterrupt, and no other.

    timeout(1) sends it twice, and the second one may come while the first ends this.
    """
    asked = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if not asked:
            asked = True
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)


def watch(here: Session, every: float, *, as_json: bool) -> int:
    """Show how the store is doing every so many seconds, until Ctrl-C."""
    looks = here.queue.overview()
    clock = SystemClock()
    _interrupt_once()
    garbage.collect()
    try:
        with render.live(sys.stdout, leave=True, off=as_json) as show:
            due = clock.monotonic()
            while True:
                now = looks.look()
                if show is not None:
                    size = shutil.get_terminal_size()
                    show(overview.view(now, size.columns, size.lines))
                elif as_json:
                    render.json(overview.record(now), one_line=True)
                else:
                    render.lines([overview.line(now)])
                sys.stdout.flush()
                # Until the next look; those that came too late are left out.
                due = max(due + every, clock.monotonic())
                time.sleep(max(0.0, due - clock.monotonic()))
    except KeyboardInterrupt:
        return 0
