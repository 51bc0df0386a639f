"""What holds back a job that is due: places that are taken, and rates."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from jobctl.core.limits import Limits, by_name
from jobctl.core.units import human_duration
from jobctl.services.explaining.answer import Reason
from jobctl.services.explaining.case import Case, ids
from jobctl.services.rates import read_rates


def limits(case: Case) -> Iterator[Reason]:
    """Say which limit is reached, and by which jobs."""
    yield from _key(case)
    yield from _name(case)
    yield from _rate(case)
    yield from _all_places(case)


def _key(case: Case) -> Iterator[Reason]:
    key = case.job.concurrency_key
    taken = [job for job in case.running if key is not None and job.concurrency_key == key]
    if taken:
        text = f"Jobs with its concurrency key run one at a time, and {case.named(taken)} runs."
        yield Reason("key-limit", text, jobs=ids(taken))


def _name(case: Case) -> Iterator[Reason]:
    name = case.job.name
    limit = by_name(case.rules.limits).get(name)
    if limit is None or limit.concurrency is None:
        return
    taken = [job for job in case.running if job.name == name]
    if len(taken) >= limit.concurrency:
        run = "job of its name runs" if limit.concurrency == 1 else "jobs of its name run"
        text = f"At most {limit.concurrency:,} {run} at once, and that is {case.named(taken)}."
        yield Reason("name-limit", text, jobs=ids(taken))


def _rate(case: Case) -> Iterator[Reason]:
    name = case.job.name
    limit = by_name(case.rules.limits).get(name)
    if limit is None or limit.rate is None:
        return
    of_name = Limits({name: limit})
    of_name.next_at.update(read_rates(case.store.files))
    opens_at = of_name.opens_at(case.now.timestamp())
    if opens_at is not None:
        at = datetime.fromtimestamp(opens_at, UTC)
        count, period = limit.rate
        rate = f"{count:,} in {human_duration(float(period))}"
        text = f"The rate of its name, {rate}, lets the next one begin at {case.say(at)}."
        yield Reason("rate-limit", text, at=at)


def _all_places(case: Case) -> Iterator[Reason]:
    places, taken = case.rules.concurrency, case.running
    if len(taken) >= places:
        what = "The one place" if places == 1 else f"All {places:,} places"
        verb = "is" if places == 1 else "are"
        text = f"{what} of the daemon {verb} taken, by {case.named(taken)}."
        yield Reason("full", text, jobs=ids(taken))
