"""What a daemon does once: it tells others of the handlers, and gives lost jobs back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from jobctl.core.job import Options, Outcome
from jobctl.core.retry import RetryPolicy
from jobctl.core.store import AnyJob, Store
from jobctl.core.text import meant
from jobctl.errors import ConfigError
from jobctl.runtime.channel import Ready
from jobctl.runtime.estate import RemainsOf
from jobctl.runtime.keeper import recover
from jobctl.runtime.log import Log
from jobctl.runtime.settings import Chores
from jobctl.services.known import write_handlers


def handler_options(ready: Ready) -> dict[str, dict[str, Any]]:
    """Return what each handler says of its jobs, by name."""
    return {name: _options(about.get("options", {})) for name, about in ready.handlers.items()}


def _options(said: dict[str, Any]) -> dict[str, Any]:
    options = dict(said)
    if options.get("backoff") is not None:
        options["backoff"] = msgspec.convert(options["backoff"], RetryPolicy)
    return options


def tell_handlers(ready: Ready, folder: Path, log: Log) -> None:
    """Write handlers.json, and warn of what the import left behind."""
    try:
        write_handlers(ready.handlers, folder, ready.schedules)
    except OSError as err:
        log.warning(f"handlers.json was not written: {err}")
    if ready.fresh:
        log.warning(
            "the handlers start a thread when they are imported, so each worker imports "
            "them for itself: start it in the handler to have workers start faster"
        )
    if not ready.handlers:
        log.warning(
            "no handlers are configured, so only shell jobs run: set [run] handlers, or "
            "--handlers"
        )


def check_schedules(chores: Chores, handlers: Iterable[str]) -> None:
    """Raise ConfigError, a line each, for schedules and alerts whose job no handler runs."""
    lines = [f"{chores.place(*key)}: {said}" for key, said in unknown_jobs(chores, handlers)]
    if lines:
        raise ConfigError("\n".join(lines))


def unknown_jobs(
    chores: Chores, handlers: Iterable[str]
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the key of each job that no handler runs, and what to say of it."""
    known = set(handlers)
    for name, schedule in chores.schedules.items():
        if schedule.job not in known:
            yield ("schedules", name, "job"), no_handler(schedule.job, known)
    for kind, action in chores.alerting.actions.items():
        if action.job is not None and action.job not in known:
            yield ("alerts", f"on_{kind}", "job"), no_handler(action.job, known)


def no_handler(job: str, known: Iterable[str]) -> str:
    """Return what is wrong with a job that none of the known handlers runs."""
    names = sorted(known)
    hint = meant(job, names, f"there are {', '.join(names[:20]) or 'none'}")
    return f"no handler is called {job}: {hint}"


def recover_all(
    store: Store,
    begun: set[str],
    remains: RemainsOf,
    options: Options,
    now: datetime,
    log: Log,
) -> list[AnyJob]:
    """Give back what an earlier daemon left running, say so, and return it."""
    found = recover(store, begun, options, now, remains)
    if found:
        lost = sum(1 for job in found if job.history[-1].outcome is Outcome.LOST)
        log.warning(
            f"recovered {len(found)} jobs of a daemon that died, {lost} of them had begun",
            recovered=len(found),
            lost=lost,
        )
    return found
