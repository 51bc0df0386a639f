"""What holds a job back by the daemon: there is none, it is stuck, a handler is missing."""

from __future__ import annotations

from collections.abc import Iterator

from jobctl.core.text import nearest
from jobctl.core.units import human_duration
from jobctl.errors import StoreError
from jobctl.services.explaining.answer import Reason
from jobctl.services.explaining.case import Case
from jobctl.services.health import PATIENCE
from jobctl.services.telling import State, Told, Trouble


def disk(case: Case) -> Iterator[Reason]:
    """Say that the store cannot be written: then no daemon can claim anything."""
    try:
        case.store.probe()
    except StoreError as err:
        yield Reason("store", f"The store cannot be written: {_brief(str(err))}")
        return
    told = case.told
    if told is not None and Trouble.STORE in told.troubles:
        why = _brief(told.troubles[Trouble.STORE])
        yield Reason("store", f"The daemon cannot write the store: {why}")


def daemon(case: Case) -> Iterator[Reason]:
    """Say that no daemon runs, or that the one there is takes no jobs."""
    if not case.alive:
        yield _none(case)
        return
    told, pid = case.told, case.pulse.pid
    who = f"The daemon, process {pid}," if pid else "The daemon"
    if told is not None and told.state is State.STARTING:
        text = f"{who} is starting since {case.say(told.since)}: it imports the handlers."
        yield Reason("daemon-starting", text, at=told.since)
    elif told is not None and told.state is State.STOPPING:
        text = f"{who} is stopping since {case.say(told.since)}: the next one takes the job."
        yield Reason("daemon-stopping", text, at=told.since)
    elif not case.pulse.moving:
        wait = human_duration(PATIENCE)
        text = f"{who} did not answer within {wait}: it is stuck, or stopped by a signal."
        yield Reason("daemon-hangs", text)
    if told is not None:
        yield from _troubles(case, told)


def _none(case: Case) -> Reason:
    if case.unseen is not None:
        return Reason(
            "no-daemon", f"Nobody can tell whether a daemon runs: {_brief(case.unseen)}"
        )
    left = case.left
    if left is None:
        return Reason("no-daemon", "No daemon runs.")
    if left.state is not State.BROKEN:
        text = f"No daemon runs: the last one, process {left.pid}, was killed or died."
        return Reason("no-daemon", text)
    ended = case.say(left.since)
    if Trouble.HANDLERS in left.troubles:
        why = _brief(left.troubles[Trouble.HANDLERS])
        text = f"No daemon runs: the last one found no usable handlers, {ended}: {why}"
        return Reason("import-failed", text, at=left.since)
    why = _brief(left.troubles.get(Trouble.ERROR, ""))
    text = f"No daemon runs: the last one was ended by an error, {ended}: {why}"
    return Reason("no-daemon", text, at=left.since)


def _troubles(case: Case, told: Told) -> Iterator[Reason]:
    shell = case.job.shell is not None
    if Trouble.HANDLERS in told.troubles:
        why = _brief(told.troubles[Trouble.HANDLERS])
        yield Reason("import-failed", f"The handlers do not import any more: {why}")
    elif Trouble.RELOAD in told.troubles and not shell and _unknown(case):
        why = _brief(told.troubles[Trouble.RELOAD])
        text = f"The last reload was refused, so the old handlers are in use: {why}"
        yield Reason("import-failed", text)
    if Trouble.WORKERS in told.troubles:
        why = _brief(told.troubles[Trouble.WORKERS])
        yield Reason("no-worker", f"The daemon could not start a worker process: {why}")


def handler(case: Case) -> Iterator[Reason]:
    """Say that no handler is known for the job."""
    if case.job.shell is not None or not _unknown(case):
        return
    known = case.handlers or {}
    whose = "The daemon has" if case.alive else "The last daemon had"
    if not known:
        text = f"{whose} no handlers, so only shell jobs run: set [run] handlers in jobs.toml."
        yield Reason("no-handlers", text)
        return
    right = nearest(case.job.name, list(known))
    hint = f" (the nearest is {right})" if right else ""
    text = (
        f"{whose} no handler called {case.job.name}{hint}: without one the job fails at once."
    )
    yield Reason("unknown-handler", text)


def _unknown(case: Case) -> bool:
    return case.handlers is not None and case.job.name not in case.handlers


def _brief(text: str) -> str:
    """Return what an error says, as the end of a sentence; of a traceback its last line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > 1:
        lines = [f"{lines[0].rstrip(':')}: {lines[-1]}"]
    return f"{lines[0].rstrip('.')}." if lines else "without a word."
