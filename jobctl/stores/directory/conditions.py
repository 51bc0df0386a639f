"""What the index can say of a filter's terms: conditions in SQL.

They agree with core/filtertests.py; where that cannot be had in a few words there is no
condition, and the record itself is looked at.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from jobctl.core import filterfields as fields
from jobctl.core.filterterms import ANYTHING, Pattern, Term, Value, interval
from jobctl.core.job import Status
from jobctl.stores.directory.rows import BETWEEN, NUMBER, micros


class Condition(NamedTuple):
    """A condition on the table of jobs, and the values of its question marks."""

    text: str
    values: tuple[object, ...] = ()


TEXTS = {"id": "id", "name": "name", "key": "nullif(replace(key, char(1), ''), '')"}
_TIMES = {
    "created": "created", "run_at": "nullif(due, 0)", "started": "started",
    "finished": "finished",
}  # fmt: skip
_NUMBERS = {
    "priority": "-rank", "attempts": "attempts",
    "duration": "(finished - started) / 1000000.0",
}  # fmt: skip
_PENDING = f"status = {NUMBER[Status.PENDING]}"
_END = 2**63 - 1
_LARGEST = 2**62  # larger than any that a job may have, and still one of SQLite's


def condition(term: Term, now: datetime) -> Condition | None:
    """Return what a term demands, None if only the record can tell."""
    parts = [_part(term, value, now) for value in term.values]
    found = [part for part in parts if part is not None]
    if len(found) < len(parts):
        return None
    either = _join(" OR ", found)
    # What a job has not compares as NULL, and is not what was asked for.
    no = "NOT " if term.op == "!=" else ""
    return Condition(f"{no}coalesce({either.text}, 0)", either.values)


def all_of(conditions: Iterable[Condition]) -> Condition:
    """Return the condition that all of these hold."""
    return _join(" AND ", [Condition("1"), *conditions])


def _join(how: str, parts: list[Condition]) -> Condition:
    text = how.join(part.text for part in parts)
    return Condition(f"({text})", tuple(value for part in parts for value in part.values))


def _part(term: Term, value: Value, now: datetime) -> Condition | None:
    field = term.field
    if field in _TIMES:
        return _time(term, value, now)
    if field in _NUMBERS:
        return _number(term, value)
    assert isinstance(value, Pattern) or field not in (*TEXTS, "tag", "status")
    if not isinstance(value, Pattern):
        return None
    if field == "status":
        return _status(value, now)
    if field == "tag":
        return _tag(term, value)
    return _text(term, value) if field in TEXTS else None


def _time(term: Term, value: Value, now: datetime) -> Condition:
    column = _TIMES[term.field]
    if isinstance(value, Pattern):
        return Condition(f"{column} IS NOT NULL")
    start, end = interval(term, value, now)
    parts = [Condition(f"{column} IS NOT NULL")]
    if start is not None:
        parts.append(Condition(f"{column} >= ?", (micros(start),)))
    if end is not None:
        parts.append(Condition(f"{column} < ?", (micros(end),)))
    return _join(" AND ", parts)


def _number(term: Term, value: Value) -> Condition:
    column = _NUMBERS[term.field]
    if not isinstance(value, (int, float)):
        return Condition(f"{column} IS NOT NULL")
    op = "=" if term.op == "!=" else term.op
    return Condition(f"{column} {op} ?", (max(-_LARGEST, min(value, _LARGEST)),))


def _status(value: Pattern, now: datetime) -> Condition:
    if value == ANYTHING:
        return Condition("1")
    if value.text == fields.SCHEDULED:
        return Condition(f"({_PENDING} AND due > ?)", (micros(now),))
    if value.text == fields.RETRYING:
        return Condition(f"({_PENDING} AND attempts > 0)")
    status = Status.FAILED if value.text == fields.DEAD else Status(value.text)
    return Condition(f"status = {NUMBER[status]}")


def _text(term: Term, value: Pattern) -> Condition | None:
    column = TEXTS[term.field]
    if term.op == "~":
        # SQLite knows the case of ASCII alone, and so are ids and names.
        folded = value.text.casefold()
        ascii_only = term.field in ("id", "name")
        return Condition(f"instr(lower({column}), ?) > 0", (folded,)) if ascii_only else None
    first, *others = value.pieces
    if not others:
        return Condition(f"{column} = ?", (first,))
    if len(others) > 1:
        return None  # GLOB may take for ever for several stars
    return Condition(f"{column} GLOB ?", (f"{_escaped(first)}*{_escaped(others[0])}",))


def _escaped(text: str) -> str:
    return "".join(f"[{char}]" if char in "*?[" else char for char in text)


def _tag(term: Term, value: Pattern) -> Condition | None:
    first, *others = value.pieces
    if term.op == "~" or BETWEEN in value.text or len(others) > 1 or (first and any(others)):
        return None  # not to be said with one instr
    if value == ANYTHING:
        return Condition("labels IS NOT NULL")
    if not value.text:
        return Condition("0")  # no tag is empty
    if not others:
        return has_tag(first)
    part = f"{BETWEEN}{first}" if first else f"{others[0]}{BETWEEN}"
    return Condition("instr(labels, ?) > 0", (part,))


def has_tag(tag: str) -> Condition:
    """Return the condition that a job which has tags has this one."""
    return Condition("instr(labels, ?) > 0", (f"{BETWEEN}{tag}{BETWEEN}",))


class Stretch(NamedTuple):
    """Part of a run: behind the job with the seq `after`, up to the one with `until`."""

    newest: bool
    after: int | None
    until: int | None = None

    def of(self, seq: str) -> Condition:
        """Return what the column with the seq has to be."""
        way = "<" if self.newest else ">"
        back = ">" if self.newest else "<"
        start = (_END if self.newest else -1) if self.after is None else self.after
        if self.until is None:
            return Condition(f"{seq} {way} ?", (start,))
        return Condition(f"{seq} {way} ? AND {seq} {back}= ?", (start, self.until))
