"""What can be done about it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping

from jobctl.core.dependencies import FAILED as DEPENDENCY
from jobctl.core.job import RETRYABLE, Status
from jobctl.services import logfile
from jobctl.services.explaining.answer import Reason, Step
from jobctl.services.explaining.case import Case

_HEALTH = Step("jobctl health", "look at daemon, loop and disk")
_CHECK = Step("jobctl config check", "see what is wrong, with your traceback")
_RUN = Step("jobctl run", "start a daemon")


def _other(case: Case, reason: Reason) -> Step | None:
    return (
        None
        if not reason.jobs
        else Step(f"jobctl explain {reason.jobs[0]}", "look at that one")
    )


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
_HELP: Mapping[str, Callable[[Case, Reason], Step | None]] = {
    "store": lambda case, reason: _HEALTH,
    "paused-all": lambda case, reason: Step("jobctl resume", "end every pause"),
    "paused": _resume,
    "after": _other,
    "import-failed": lambda case, reason: _CHECK,
    "daemon-hangs": lambda case, reason: _HEALTH,
    "unknown-handler": _reload,
    "no-handlers": lambda case, reason: _CHECK,
    "dependency-failed": _other,
    "key-limit": _other,
    "name-limit": _other,
    "full": _running,
    "queue": lambda case, reason: Step("jobctl list --status pending", "see what waits"),
}


def steps(case: Case, reasons: Iterable[Reason]) -> Iterator[Step]:
    """Yield what helps, for the reasons and for a job of this status."""
    seen: set[str] = set()
    for reason in reasons:
        help_with = _HELP.get(reason.code)
        step = help_with(case, reason) if help_with else None
        if step is not None and step.command not in seen:
            seen.add(step.command)
            yield step
    if not case.job.status.finished and not case.alive:
        yield _RUN
    yield from _of_status(case)


def _of_status(case: Case) -> Iterator[Step]:
    job = case.job
    if job.status is Status.FAILED or (job.error is not None and job.error.traceback):
        yield Step(f"jobctl show {job.id}", "see its attempts and the last traceback")
    path = logfile.path_of(case.store.files, job.id)
    if job.status is Status.RUNNING or os.path.exists(path):
        yield Step(f"jobctl logs {job.id}", "see what it has printed")
    if job.status is Status.RUNNING and not job.cancelling:
        yield Step(f"jobctl cancel {job.id}", "end it")
    if job.status in RETRYABLE:
        when = _RETRY.get("" if job.error is None else job.error.type, "")
        yield Step(f"jobctl retry {job.id}", f"run it again{when}, with all its attempts")


#: What is to be done before a retry, by the type of the error.
_RETRY = {
    "UnknownHandler": " when there is a handler of its name",
    DEPENDENCY: " when that one is pending or has completed",
}
