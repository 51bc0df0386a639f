"""Runs the command of a shell job, in a worker.

It gets a process group of its own. Its output is the worker's, which leads to the job's log.
"""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from typing import Any

from jobctl.core.job import Exit, Job
from jobctl.runtime.family import VARIABLE
from jobctl.runtime.interrupts import ShellError
from jobctl.runtime.process import children, signal_name

#: A worker ignores these, and what is ignored stays so for a command.
_IGNORED = (signal.SIGINT, signal.SIGHUP)


class Command:
    """A command that runs."""

    def __init__(self, job: Job[Any]) -> None:
        """Start it. Raises ShellError."""
        shell = job.shell or {}
        argv, env = shell["argv"], dict(shell["env"])
        env["JOBCTL_JOB_ID"] = job.id
        env["JOBCTL_ATTEMPT"] = str(job.attempts)
        if VARIABLE in os.environ:
            env[VARIABLE] = os.environ[VARIABLE]  # by which the next daemon would know it
        self._name = argv[0]
        #: The most memory that it had, in bytes, once it has ended.
        self.max_rss: int | None = None
        self._others = set(children())  # what earlier jobs have left running
        before = [signal.signal(number, signal.SIG_DFL) for number in _IGNORED]
        try:
            self._process = subprocess.Popen(
                argv, cwd=shell["cwd"], env=env, stdin=subprocess.DEVNULL, process_group=0
            )
        except (OSError, ValueError) as err:
            reason = getattr(err, "strerror", None) or str(err)
            raise ShellError(
                f"{argv[0]} cannot be started in {shell['cwd']}: {reason}"
            ) from None
        finally:
            for number, handler in zip(_IGNORED, before, strict=True):
                signal.signal(number, handler)

    def result(self) -> dict[str, int]:
        """Wait for its end, and return what the job's result is. Raises ShellError."""
        code = self._wait()
        if code > 0:
            raise ShellError(f"{self._name} ended with exit code {code}", Exit(code=code))
        if code < 0:
            name = signal_name(-code)
            raise ShellError(f"{self._name} was ended by {name}", Exit(signal=name))
        return {"exit_code": code}

    def end(self) -> None:
        """Ask its group to end, wait until it has, and kill all that is left of it.

        One that does not end is killed with this worker, by the daemon.
        """
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGTERM)
        with suppress(ChildProcessError):  # the exception came just after its end
            self._wait()
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        # What has left the group came to this worker as its parents died (a subreaper).
        while left := set(children()) - self._others:
            for pid in left:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
                with suppress(ChildProcessError):
                    os.waitpid(pid, 0)

    def _wait(self) -> int:
        if self._process.returncode is None:
            _, status, usage = os.wait4(self._process.pid, 0)
            self._process.returncode = os.waitstatus_to_exitcode(status)
            self.max_rss = usage.ru_maxrss * 1024
        return self._process.returncode
