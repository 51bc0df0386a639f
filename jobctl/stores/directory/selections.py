"""Jobs that a filter chooses, as far as the index can tell, in the order of their adds.

A few ids or tags lead to their jobs, a status or a name to a run of the SQLite index that
has it; runs are merged, so no page costs more than itself, wherever it begins. Otherwise the
table is read in its order, which is that of the adds.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator, Iterator
from datetime import datetime
from heapq import merge
from itertools import islice
from typing import NamedTuple

from jobctl.core import filterfields as fields
from jobctl.core.filters import NEVER, Filter
from jobctl.core.filterterms import ANYTHING, Pattern, Term
from jobctl.core.filtertests import holds
from jobctl.core.job import Status
from jobctl.stores.directory.conditions import Condition, Stretch, all_of, condition, has_tag
from jobctl.stores.directory.rows import NUMBER, STATUSES, Row
from jobctl.stores.directory.segments import Place

#: So many runs are merged at most.
MOST_RUNS = 64
#: So many jobs whose ids begin alike are sorted rather than met in their order.
MOST_ALIKE = 1000
#: Fewer jobs of a name or status are gone through even if a tag is named.
FEW = 10_000
#: To skip more jobs than this of several runs takes longer than to read the table.
DEEP = 20_000

_ALL = frozenset(NUMBER.values())
#: Words for some of the jobs of a status only.
_PARTIAL = {fields.SCHEDULED, fields.RETRYING}
_STATUSES_OF = {
    **{status.value: {number} for status, number in NUMBER.items()},
    fields.DEAD: {NUMBER[Status.FAILED]},
    fields.SCHEDULED: {NUMBER[Status.PENDING]},
    fields.RETRYING: {NUMBER[Status.PENDING]},
    ANYTHING.text: _ALL,
}

#: A name, a status, and how many jobs have both.
Group = tuple[str, int, int]


class Run(NamedTuple):
    """Where jobs are found: tables with the SQLite index to use, and what leads to them."""

    tables: str
    lead: Condition = Condition("1")
    seq: str = "seq"


class Plan(NamedTuple):
    """How jobs are found: runs that have no job in common, and what else must hold.

    `exact` says that these are all that the filter chooses and no others, `told` that
    `where` alone says so.
    """

    runs: list[Run]
    where: Condition
    exact: bool
    told: bool


class Selections:
    """The questions about a filter, for a connection that answers them."""

    execute: Callable[..., sqlite3.Cursor]
    counts: Callable[[], dict[Status, int]]

    def plan(self, wanted: Filter, now: datetime) -> Plan:
        """Return how the jobs are found that a filter may choose."""
        said = {term: condition(term, now) for term in wanted.terms}
        told = None not in said.values()
        groups = self._groups(wanted)
        runs = self._ids(wanted)
        if not runs and (groups is None or sum(n for _, _, n in groups) > FEW):
            runs = _tags(wanted)
        if not runs:
            runs, named = _grouped(wanted, groups)
            # What the names are is known now, even of those that SQL has no condition for.
            said = {t: c for t, c in said.items() if c or not (named and t.field == "name")}
        where = all_of(one for one in said.values() if one is not None)
        return Plan(runs, where, None not in said.values(), told)

    def pick(
        self,
        plan: Plan,
        *,
        newest: bool,
        after: int | None,
        limit: int,
        offset: int = 0,
        until: int | None = None,
    ) -> list[Row]:
        """Return the next jobs of a plan.

        `after` is the seq of the last one before, `until` that of the last that is looked at.
        """
        ways = [Run("jobs NOT INDEXED")] if offset > DEEP and plan.told else plan.runs
        skip = offset if len(ways) == 1 else 0  # else some of each run are skipped
        bounds = (offset + limit - skip, skip)
        stretch = Stretch(newest, after, until)
        runs = [self._rows(run, plan.where, stretch, bounds) for run in ways]
        try:
            rows = merge(*runs, key=lambda row: row.seq, reverse=newest)
            return list(islice(rows, offset - skip, offset - skip + limit))
        finally:
            for run in runs:
                run.close()

    def count(self, wanted: Filter, now: datetime) -> dict[Status, int] | None:
        """Return how many jobs that pass have each status, None if the index cannot tell."""
        counts = dict.fromkeys(STATUSES, 0)
        if not wanted.terms:
            return {**counts, **self.counts()}
        groups = self._groups(wanted)
        if groups is not None and _only_groups(wanted):
            for _, status, n in groups:
                counts[STATUSES[status]] += n
            return counts
        plan = self.plan(wanted, now)
        if not plan.exact:
            return None
        sums = ", ".join(f"sum(status = {NUMBER[status]})" for status in STATUSES)
        for tables, lead, _ in plan.runs:
            found = all_of((lead, plan.where))
            query = f"SELECT {sums} FROM {tables} WHERE {found.text}"
            row = self.execute(query, found.values).fetchone()
            for one, n in zip(STATUSES, row, strict=True):
                counts[one] += n or 0
        return counts

    def edge(self, plan: Plan, *, newest: bool, after: int | None, span: int) -> int | None:
        """Return the seq up to which `span` jobs are looked at; None if that is all."""
        every = Condition("1")
        bounds = (1, span // len(plan.runs)) if plan.runs else (0, 0)
        ends = [
            row.seq
            for run in plan.runs
            for row in self._rows(run, every, Stretch(newest, after), bounds)
        ]
        return (max if newest else min)(ends, default=None)

    def _rows(
        self, run: Run, where: Condition, stretch: Stretch, bounds: tuple[int, int]
    ) -> Generator[Row, None, None]:
        found = all_of((run.lead, stretch.of(run.seq), where))
        order = "DESC" if stretch.newest else "ASC"
        cursor = self.execute(
            f"SELECT id, jobs.seq, segment, offset, length FROM {run.tables} "
            f"WHERE {found.text} ORDER BY {run.seq} {order} LIMIT ? OFFSET ?",
            (*found.values, *bounds),
        )
        try:
            for row in cursor:
                yield Row(row[0], row[1], Place(*row[2:]))
        finally:
            cursor.close()

    def _groups(self, wanted: Filter) -> list[Group] | None:
        """Return the names with the statuses that a filter may choose; None if it says none."""
        statuses = _statuses(wanted)
        names = [holds(term, NEVER) for term in wanted.terms if term.field == "name"]
        if not names and len(statuses) == len(STATUSES):
            return None
        rows = self.execute("SELECT name, status, n FROM counters WHERE n > 0")
        return [
            (name, status, n)
            for name, status, n in rows
            if status in statuses and all(test((name,)) for test in names)
        ]

    def _ids(self, wanted: Filter) -> list[Run]:
        for patterns in _equal(wanted, "id"):
            lead = _exactly(patterns) or self._alike(patterns)
            if lead is not None:
                return [Run("jobs INDEXED BY by_id", lead)]
        return []

    def _alike(self, patterns: list[Pattern]) -> Condition | None:
        """Return what leads to ids with one beginning, if there are not too many of them."""
        first, *others = patterns[0].pieces
        if len(patterns) > 1 or not first or not others:
            return None
        lead = Condition("id >= ? AND id < ?", (first, f"{first}\x7f"))
        row = self.execute(
            "SELECT count(*) FROM (SELECT 1 FROM jobs INDEXED BY by_id "
            f"WHERE {lead.text} LIMIT ?)",
            (*lead.values, MOST_ALIKE + 1),
        ).fetchone()
        return lead if row[0] <= MOST_ALIKE else None


def _equal(wanted: Filter, field: str) -> Iterator[list[Pattern]]:
    """Yield the values of the terms that say what a text field is."""
    for term in wanted.terms:
        if term.field == field and term.op == "=":
            yield [value for value in term.values if isinstance(value, Pattern)]


def _exactly(patterns: list[Pattern]) -> Condition | None:
    ids = tuple(pattern.exact for pattern in patterns)
    return None if None in ids else Condition(f"id IN ({', '.join('?' * len(ids))})", ids)


def _tags(wanted: Filter) -> list[Run]:
    """Return a run for each of the tags of which one must be there."""
    for patterns in _equal(wanted, "tag"):
        tags = [pattern.exact for pattern in patterns if pattern.exact]
        if len(tags) < len(patterns) or len(tags) > MOST_RUNS:
            continue
        runs = []
        for n, tag in enumerate(tags):
            # A job with several of them is in the first run alone.
            others = [
                Condition(f"NOT {one.text}", one.values) for one in map(has_tag, tags[:n])
            ]
            lead = all_of((Condition("tag = ?", (tag,)), *others))
            runs.append(Run("tags CROSS JOIN jobs ON jobs.seq = tags.seq", lead, "tags.seq"))
        return runs
    return []


def _grouped(wanted: Filter, groups: list[Group] | None) -> tuple[list[Run], bool]:
    """Return runs of names or statuses, or else all jobs; and whether they tell the names."""
    if groups is None:
        return [Run("jobs NOT INDEXED")], False
    named = any(term.field == "name" for term in wanted.terms)
    if named and len(groups) <= MOST_RUNS:
        leads = [Condition("name = ? AND status = ?", group[:2]) for group in groups]
        return [Run("jobs INDEXED BY by_name", lead) for lead in leads], True
    statuses = sorted({status for _, status, _ in groups})
    leads = [Condition("status = ?", (status,)) for status in statuses]
    return [Run("jobs INDEXED BY by_status", lead) for lead in leads], False


def _statuses(wanted: Filter) -> set[int]:
    """Return the statuses of the jobs that may pass."""
    found = set(_ALL)
    for term in wanted.terms:
        if term.field != "status":
            continue
        said: set[int] = set()
        for word in _words(term):
            if term.op == "=" or word not in _PARTIAL:
                said |= _STATUSES_OF[word]
        found &= said if term.op == "=" else _ALL - said
    return found


def _words(term: Term) -> list[str]:
    return [value.text for value in term.values if isinstance(value, Pattern)]


def _only_groups(wanted: Filter) -> bool:
    """Return whether name and status alone decide who passes."""
    return all(
        term.field == "name" or (term.field == "status" and not _PARTIAL & set(_words(term)))
        for term in wanted.terms
    )
