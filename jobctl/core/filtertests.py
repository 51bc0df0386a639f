"""What a term of a filter says of a job: its values, and whether one of them fits."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any

import msgspec

from jobctl.core import filterfields as fields
from jobctl.core.filterterms import ANYTHING, Pattern, Term, Value, interval
from jobctl.core.job import AnyJob, Status
from jobctl.core.wording import length_of

Predicate = Callable[[AnyJob], bool]
Fits = Callable[[Any], bool]

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.eq, ">": operator.gt, ">=": operator.ge,
    "<": operator.lt, "<=": operator.le,
}  # fmt: skip


def condition(term: Term, now: datetime) -> Predicate:
    """Return whether a term holds for a job; `now` is in UTC."""
    values, test = _values(term, now), holds(term, now)
    return lambda job: test(values(job))


def holds(term: Term, now: datetime) -> Callable[[Iterable[Any]], bool]:
    """Return whether a term holds for somebody who has these values of its field."""
    fits = [_fits(term, value, now) for value in term.values]
    wanted = term.op != "!="
    return lambda values: any(fit(value) for value in values for fit in fits) is wanted


def _values(term: Term, now: datetime) -> Callable[[AnyJob], Iterable[Any]]:
    """Return what gives a job's values of a term's field: none if it has none."""
    if term.field == "status":
        return lambda job: words(job, now)
    if term.field in ("data", "result"):
        return lambda job: _parts(getattr(job, term.field), term.path, term.field == "data")
    if term.field == "error":
        parts = term.path or ("type", "message")
        return lambda job: _given(*(getattr(job.error, part, None) for part in parts))
    return _VALUES[term.field]


def words(job: AnyJob, now: datetime) -> tuple[str, ...]:
    """Return a job's status, and what is said beside it: dead, scheduled, retrying."""
    if job.status is Status.FAILED:
        return job.status, fields.DEAD
    if job.status is not Status.PENDING:
        return (job.status,)
    found: tuple[str, ...] = (job.status,)
    if job.run_at is not None and job.run_at > now:
        found += (fields.SCHEDULED,)
    return (*found, fields.RETRYING) if job.attempts else found


def _given(*values: Any) -> tuple[Any, ...]:
    return tuple(value for value in values if value is not None)


def _shell(job: AnyJob) -> tuple[str, ...]:
    return () if job.shell is None else (" ".join(job.shell["argv"]),)


_VALUES: dict[str, Callable[[AnyJob], Iterable[Any]]] = {
    "id": lambda job: (job.id,),
    "name": lambda job: (job.name,),
    "tag": lambda job: job.tags,
    "priority": lambda job: (job.priority,),
    "attempts": lambda job: (job.attempts,),
    "max_retries": lambda job: _given(job.max_retries),
    "created": lambda job: (job.created_at,),
    "run_at": lambda job: _given(job.run_at),
    "started": lambda job: _given(job.started_at),
    "finished": lambda job: _given(job.finished_at),
    "duration": lambda job: _given(length_of(job)),
    "timeout": lambda job: _given(job.timeout),
    "key": lambda job: _given(job.concurrency_key),
    "after": lambda job: job.after,
    "schedule": lambda job: _given(job.schedule),
    "shell": _shell,
    "outcome": lambda job: [one.outcome for one in job.history[-1:]],
    "worker": lambda job: _given(*(one.worker for one in job.history[-1:])),
}


def _parts(value: Any, path: tuple[str, ...], there: bool) -> Iterator[Any]:
    """Yield what stands in a JSON value where a path leads.

    A list stands for each of its items as well, and a number in a path for one of them.
    `there` says whether a null is a value.
    """
    if isinstance(value, list):
        if path and path[0].isascii() and path[0].isdigit():
            at = int(path[0][:9])
            if at < len(value):
                yield from _parts(value[at], path[1:], True)
            return
        if not path:
            yield value
        for item in value:
            yield from _parts(item, path, True)
    elif not path:
        if value is not None or there:
            yield value
    elif isinstance(value, dict) and path[0] in value:
        yield from _parts(value[path[0]], path[1:], True)


def _fits(term: Term, value: Value, now: datetime) -> Fits:
    """Return whether what a job has fits one value of a term."""
    kind = fields.FIELDS[term.field]
    if value == ANYTHING and term.op != "~":
        return lambda found: True
    if kind == fields.TIME:
        assert not isinstance(value, Pattern)
        return _within(*interval(term, value, now))
    compare = _COMPARE.get(term.op)
    if not isinstance(value, Pattern):
        assert compare is not None
        return lambda found: compare(found, value)
    if kind == fields.DATA:
        return _data_fits(term.op, value)
    return _contains(value) if term.op == "~" else value.fits


def _within(start: datetime | None, end: datetime | None) -> Fits:
    return lambda at: (start is None or at >= start) and (end is None or at < end)


def _contains(value: Pattern) -> Fits:
    wanted = value.text.casefold()
    return lambda found: wanted in found.casefold()


def _data_fits(op: str, value: Pattern) -> Fits:
    if op == "~":
        contains = _contains(value)
        return lambda found: contains(json_text(found))
    compare, number = _COMPARE[op], value.number
    if op in ("=", "!="):

        def equals(found: Any) -> bool:
            if number is not None and _is_number(found):
                return bool(found == number)
            return value.fits(json_text(found))

        return equals
    if number is not None:
        return lambda found: _is_number(found) and compare(found, number)
    return lambda found: isinstance(found, str) and compare(found, value.text)


def _is_number(found: Any) -> bool:
    return isinstance(found, (int, float)) and not isinstance(found, bool)


def json_text(value: Any) -> str:
    """Return text as it is, and any other JSON value as its JSON in one line."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
