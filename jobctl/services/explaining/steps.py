"""What can be done about it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping

from jobctl.core.job import RETRYABLE, Status
from jobctl.services import logfile
from jobctl.services.explaining.answer import Reason, Step
from jobctl.services.explaining.case import Case

_HEALTH = Step("jobctl health", "look at daemon, loop and disk")
_CHECK = Step("jobctl config check", "see what is wrong, with your traceback")
_RUN = Step("jobctl run", "start a daemon")


def _other(case: Case, reason: Reason) -> Step:
    return Step(f"jobctl explain {reason.jobs[0]}", "look at what it waits for")


def _running(case: Case, reason: Reason) -> Step:
    return Step("jobctl list --status running", "see what has the places")


def _reload(case: Case, reason: Reason) -> Step:
    if case.pulse.pid:
        why = "let the daemon import the handlers anew, when there is one of that name"
        return Step(f"kill -HUP {case.pulse.pid}", why)
    return _CHECK


def _resume(case: Case, reason: Reason) -> Step:
    return Step(f"jobctl resume {case.job.name}", "end the pause")


#: What helps against a reason, by its code.
_HELP: Mapping[str, Callable[[Case, Reason], Step]] = {
    "store": lambda case, reason: _HEALTH,
    "paused-all": lambda case, reason: Step("jobctl resume", "end every pause"),
    "paused": _resume,
    "after": _other,
    "no-daemon": lambda case, reason: _RUN,
    "import-failed": lambda case, reason: _CHECK,
    "daemon-hangs": lambda case, reason: _HEALTH,
    "unknown-handler": _reload,
    "no-handlers": lambda case, reason: _CHECK,
    "key-limit": _other,
    "name-limit": _other,
    "full": _running,
    "queue": lambda case, reason: Step("jobctl list --status pending", "see what waits"),
}


def steps(case: Case, reasons: Iterable[Reason]) -> Iterator[Step]:
    """Yield what helps, for the reasons and for a job of this status."""
    job = case.job
    seen: set[str] = set()
    for reason in reasons:
        help_with = _HELP.get(reason.code)
        step = help_with(case, reason) if help_with else None
        if step is not None and step.command not in seen:
            seen.add(step.command)
            yield step
    if job.error is not None and job.error.traceback:
        yield Step(f"jobctl show {job.id}", "see the traceback, and all attempts")
    path = logfile.path_of(case.store.files, job.id)
    if job.status is Status.RUNNING or os.path.exists(path):
        yield Step(f"jobctl logs {job.id}", "see what it has printed")
    if job.status is Status.RUNNING and not job.cancelling:
        yield Step(f"jobctl cancel {job.id}", "end it")
    if job.status in RETRYABLE:
        yield Step(f"jobctl retry {job.id}", "run it again, with all its attempts")
