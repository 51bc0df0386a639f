"""The dashboard beside a daemon: a process of its own, so that neither can harm the other."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress

from jobctl.clock import Clock
from jobctl.runtime.family import VARIABLE
from jobctl.runtime.log import Log
from jobctl.runtime.process import how_it_ended
from jobctl.runtime.systemd import PRIVATE

#: Seconds before it is started again, after its first end and at most.
PAUSE, LONGEST = 1.0, 300.0
#: Seconds that it must have run for its next end to count as the first.
STEADY = 60.0
#: Seconds that it has to end.
PATIENCE = 5.0

# What the service manager gave to the daemon is not for it.
_OURS = (VARIABLE, *PRIVATE)


class Companion:
    """`jobctl dashboard`, kept running for as long as its context lasts."""

    def __init__(self, arguments: Sequence[str], clock: Clock, log: Log) -> None:
        self._command = [
            sys.executable, "-P", "-m", "jobctl", "dashboard", "--stop-on-eof", *arguments,
        ]  # fmt: skip
        self._clock = clock
        self._log = log
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep, name="jobctl-dashboard", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            self._stopping.set()
            process = self._process
        if process is not None:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
        self._thread.join(PATIENCE)

    def _keep(self) -> None:
        pause = PAUSE
        while not self._stopping.is_set():
            began = self._clock.monotonic()
            how = self._run()
            if self._stopping.is_set():
                return
            if self._clock.monotonic() - began > STEADY:
                pause = PAUSE
            self._log.error(
                f"the dashboard {how}; jobs go on, it is started anew in {pause:g} s"
            )
            self._stopping.wait(pause)
            pause = min(2 * pause, LONGEST)

    def _run(self) -> str:
        """Run it once, and return how it ended."""
        environ = {name: value for name, value in os.environ.items() if name not in _OURS}
        try:
            with self._lock:
                if self._stopping.is_set():
                    return "was not started"
                # The end of its standard input tells it that the daemon is gone, however it
                # went; Ctrl-C does not reach it, so that it is there while jobs finish.
                self._process = subprocess.Popen(
                    self._command, stdin=subprocess.PIPE, env=environ, start_new_session=True
                )
        except OSError as err:
            return f"could not be started: {err.strerror}"
        code = self._process.wait()
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
        return f"ended {how_it_ended(code)}"
