"""What holds back a job that is due: places that are taken, and rates."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from jobctl.core.limits import Limits
from jobctl.core.units import human_duration
from jobctl.services.explaining.answer import Reason
from jobctl.services.explaining.case import Case, ids


def limits(case: Case) -> Iterator[Reason]:
    """Say which limit is reached, and by which jobs."""
    yield from _key(case)
    yield from _name(case)
    yield from _rate(case)
    yield from _all_places(case)


def _key(case: Case) -> Iterator[Reason]:
    key = case.job.concurrency_key
    if not case.limits.key_open(key):
        taken = [job for job in case.running if job.concurrency_key == key]
        text = f"Of the jobs with its concurrency key one runs at a time: {case.named(taken)}."
        yield Reason("key-limit", text, jobs=ids(taken))


def _name(case: Case) -> Iterator[Reason]:
    most = case.limit.concurrency
    taken = [job for job in case.running if job.name == case.job.name]
    if most is not None and len(taken) >= most:
        run = "job of its name runs" if most == 1 else "jobs of its name run"
        text = f"At most {most:,} {run} at once, and now {case.named(taken)}."
        yield Reason("name-limit", text, jobs=ids(taken))


def _rate(case: Case) -> Iterator[Reason]:
    rate, name = case.limit.rate, case.job.name
    of_name = Limits({name: case.limit})  # opens_at tells of the first name that opens
    of_name.next_at = case.limits.next_at
    opens_at = of_name.opens_at(case.now.timestamp())
    if rate is not None and opens_at is not None:
        at = datetime.fromtimestamp(opens_at, UTC)
        length = f"{rate[0]:,} in {human_duration(float(rate[1]))}"
        text = f"The rate of its name, {length}, lets the next one begin at {case.say(at)}."
        yield Reason("rate-limit", text, at=at)


def _all_places(case: Case) -> Iterator[Reason]:
    places, taken = case.rules.concurrency, case.running
    if len(taken) >= places:
        what = "The one place of the daemon is" if places == 1 else f"All {places:,} places are"
        text = f"{what} taken, by {case.named(taken)}."
        yield Reason("full", text, jobs=ids(taken))
