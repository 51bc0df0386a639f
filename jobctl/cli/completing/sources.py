"""What may stand in a place of the command line. What its metavar calls it decides."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobctl.cli.options import Session, session
from jobctl.core.job import CANCELLABLE, DELETABLE, RETRYABLE, Status
from jobctl.core.units import human_duration
from jobctl.services.candidates import Candidate, job_ids, job_names

if TYPE_CHECKING:
    from typer._click import Context, Parameter

    from jobctl.core.store import Store

#: Seconds to wait for those who write into the store.
PATIENCE = 0.2

_UNFINISHED = (Status.PENDING, Status.RUNNING)
#: Whose ids a command takes; all, if it is not here.
_STATUSES = {
    "retry": RETRYABLE,
    "cancel": CANCELLABLE,
    "wait": _UNFINISHED,
    "follow": _UNFINISHED,
    "delete": DELETABLE,
}
_CHOICES = re.compile(r"[a-z]+(?:\|[a-z]+)+")

#: What finds candidates, given the context, the parameter and what was typed of it.
Source = Callable[["Context", "Parameter", str], Iterable[Candidate]]


def source_of(ctx: Context, param: Parameter) -> Source | None:
    """Return what finds candidates for a parameter, None if it may be anything."""
    metavar, name = str(param.metavar or ""), param.name
    if name == "status":
        return _statuses
    if metavar.startswith(("ID", "[ID")):
        return _ids
    above = ctx.parent.command.name if ctx.parent is not None else None
    if above == "systemd":
        return None  # its names are those of units
    if metavar.strip("[].") == "NAME":
        return _schedules if above == "schedule" else _names
    if metavar == "JOB":
        return _names
    return _choices if _CHOICES.fullmatch(metavar) else None


def takes_files(param: Parameter) -> bool:
    """Return whether a place may hold the name of a file: such a place has no source."""
    return any(word in str(param.metavar or "") for word in ("FILE", "DIR", "MODULE"))


def _statuses(ctx: Context, param: Parameter, typed: str) -> Iterable[Candidate]:
    before, comma, _ = typed.rpartition(",")
    given = before.split(",")
    return [Candidate(f"{before}{comma}{one}") for one in Status if one not in given]


def _choices(ctx: Context, param: Parameter, typed: str) -> Iterable[Candidate]:
    return [Candidate(one) for one in str(param.metavar).split("|")]


def _ids(ctx: Context, param: Parameter, typed: str) -> Iterable[Candidate]:
    store = _store(session_of(ctx))
    if store is None:
        return []
    before, comma, last = (
        typed.rpartition(",") if "," in str(param.metavar) else ("", "", typed)
    )
    given = {*before.split(","), *_given(ctx, param)}
    statuses = _STATUSES.get(ctx.command.name or "", tuple(Status))
    found = job_ids(store, last, statuses, given)
    return [Candidate(f"{before}{comma}{one.value}", one.about) for one in found]


def _names(ctx: Context, param: Parameter, typed: str) -> Iterable[Candidate]:
    from jobctl import bootstrap

    here = session_of(ctx)
    return job_names(_store(here), typed, bootstrap.known_handlers(here.config) or ())


def _schedules(ctx: Context, param: Parameter, typed: str) -> Iterable[Candidate]:
    from jobctl.services.known import read_schedules

    config = session_of(ctx).config
    in_code = {one["name"]: one for one in read_schedules(Path(config.store)) if "name" in one}
    given = _given(ctx, param)
    return [
        Candidate(name, _about(table))
        for name, table in sorted({**in_code, **config.schedules}.items())
        if name not in given
    ]


def _about(table: dict[str, Any]) -> str:
    when = table.get("cron") or f"every {human_duration(float(table.get('every') or 0))}"
    return f"{when}, {table.get('job')}"


def _given(ctx: Context, param: Parameter) -> set[str]:
    """Return what stands in this place already, where several may."""
    value = ctx.params.get(param.name or "")
    return {str(one) for one in value} if isinstance(value, (list, tuple)) else set()


def session_of(ctx: Context) -> Session:
    """Return the session with the --store and --config that were typed."""
    return session(ctx)  # type: ignore[arg-type]  # typer.Context is a Context


def _store(here: Session) -> Store | None:
    from jobctl import bootstrap

    return bootstrap.existing_store(here.config, PATIENCE)
