"""What may be meant: the ids and names that begin like what was typed, or look like it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from jobctl.core.job import Status
from jobctl.core.store import AnyJob, Store

#: How many are offered.
OFFERED = 50
#: How many ids are looked at to find as many that fit.
LOOKED_AT = 500


class Candidate(NamedTuple):
    """Something that may be meant, and what it is."""

    value: str
    about: str = ""


def job_ids(
    store: Store, prefix: str, statuses: Collection[Status], without: Collection[str] = ()
) -> list[Candidate]:
    """Return the jobs of some statuses whose ids begin with `prefix`, at most OFFERED.

    Without a prefix they are the newest.
    """
    jobs: Iterator[AnyJob]
    if prefix:
        found = (store.get(job_id) for job_id in store.find(prefix, LOOKED_AT))
        jobs = (job for job in found if job is not None and job.status in statuses)
    else:
        newest = (store.list(status=one, limit=OFFERED) for one in statuses)
        jobs = iter(sorted((job for some in newest for job in some), key=lambda job: -job.seq))
    fit = (job for job in jobs if job.id not in without)
    return [Candidate(job.id, f"{job.name}, {job.status}") for job in islice(fit, OFFERED)]


def job_names(store: Store | None, prefix: str, known: Iterable[str]) -> list[Candidate]:
    """Return names of jobs that begin with `prefix`: those that are known, and in the store."""
    handled = {name for name in known if name.startswith(prefix)}
    there = set() if store is None else set(store.names(prefix, OFFERED))
    about = {name: "a handler" if name in handled else "no handler" for name in handled | there}
    return [Candidate(name, about[name]) for name in sorted(about)][:OFFERED]


def near_id(store: Store, given: str) -> str | None:
    """Return an id that `given` is at most two slips away from, None if there is none."""
    if len(given) < 2:
        return None
    some = [
        *store.find(given[: len(given) // 2], LOOKED_AT),
        *(job.id for job in store.list(limit=LOOKED_AT)),
    ]
    most = 1 if len(given) < 6 else 2
    slips = {one: _distance(given, one, most) for one in dict.fromkeys(some)}
    best = min(slips, key=lambda one: slips[one], default=None)
    return best if best is not None and slips[best] <= most else None


def _distance(a: str, b: str, most: int) -> int:
    """Return how many letters are wrong, missing, too many or swapped, or more than `most`."""
    if abs(len(a) - len(b)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, letter in enumerate(a, 1):
        before, last, row = row, before, [i]
        for j, other in enumerate(b, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == b[j - 2] and a[i - 2] == other:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]
