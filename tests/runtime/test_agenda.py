"""When the store is asked, and what for: no wake-up is lost, and nothing is asked in a loop."""

from __future__ import annotations

from typing import Any

import pytest

from jobctl.core.job import Ending, Options, Outcome, Status
from jobctl.core.limits import Limit, Limits
from jobctl.errors import StoreError
from jobctl.runtime.agenda import GATHER, HOUSEKEEPING, LOOK, POLL, STORE_PAUSE, Agenda
from jobctl.runtime.keeper import Reply, Request, Settlement
from jobctl.runtime.plan import Durations, Plan
from tests.helpers import NOON, after, make_job

NOW = 1000.0


def plan(free: int = 1, limits: Limits | None = None) -> Plan:
    return Plan(Durations(), free, [], {"work"}, limits, NOON.timestamp())


def ask(agenda: Agenda, now: float = NOW, *, free: int = 1, **how: Any) -> Request | None:
    given = {"claim": True, "idle": False} | how
    return agenda.next_request(now, lambda: plan(free), **given)


def must_ask(agenda: Agenda, now: float = NOW, **how: Any) -> Request:
    request = ask(agenda, now, **how)
    assert request is not None
    return request


def answer(agenda: Agenda, request: Request, now: float = NOW, **fields: Any) -> None:
    agenda.take(Reply(request, NOON, **fields), now, NOON)


@pytest.fixture
def fed() -> Agenda:
    """An agenda whose store had nothing."""
    agenda = Agenda()
    agenda.tick(NOW)
    answer(agenda, must_ask(agenda), exhausted=True)
    assert agenda.drained
    assert not agenda.hungry
    return agenda


def test_nothing_is_asked_while_nothing_happens(fed: Agenda) -> None:
    assert ask(fed, NOW + LOOK) is None
    fed.tick(NOW + POLL - 0.1)
    assert ask(fed, NOW + POLL - 0.1) is None
    assert min(fed.waits(NOW, busy=False)) == POLL
    fed.tick(NOW + POLL)
    assert must_ask(fed, NOW + POLL).plan is not None


def test_results_wait_for_others_while_the_workers_have_enough_to_do(fed: Agenda) -> None:
    settlement = Settlement(make_job("a"), Ending(Outcome.COMPLETED, NOON), Options())
    fed.settlements.append(settlement)
    asked = must_ask(fed, NOW + 1)
    answer(fed, asked, NOW + 1)
    fed.settlements.append(settlement)
    assert ask(fed, NOW + 1 + GATHER / 2, supplied=True) is None
    assert min(fed.waits(NOW + 1 + GATHER / 2, busy=False)) == pytest.approx(GATHER / 2)
    assert min(fed.waits(NOW + 1 + GATHER / 2, busy=True)) > GATHER
    assert fed.settlements == [settlement]
    # Somebody runs out of work, or the moment is over.
    assert must_ask(fed, NOW + 1 + GATHER / 2, supplied=False).settlements == [settlement]
    fed.settlements.append(settlement)
    assert must_ask(fed, NOW + 1 + 3 * GATHER, supplied=True).settlements == [settlement]
    assert min(fed.waits(NOW + 1 + 3 * GATHER, busy=False)) > GATHER


def test_a_wake_up_while_the_store_looks_counts(fed: Agenda) -> None:
    fed.wake()
    request = must_ask(fed, NOW + 1)
    fed.wake()
    answer(fed, request, exhausted=True)
    assert must_ask(fed, NOW + 2).plan is not None


def test_without_room_the_hunger_stays(fed: Agenda) -> None:
    fed.wake()
    assert must_ask(fed, NOW + 1, free=0).plan is None  # a look for cancelled jobs
    assert fed.hungry
    assert ask(fed, NOW + 1, free=0) is None
    assert must_ask(fed, NOW + 1, free=1).plan is not None


def test_what_did_not_fit_is_asked_for_when_a_place_is_free(fed: Agenda) -> None:
    fed.wake()
    answer(fed, must_ask(fed, NOW + 1), exhausted=False)
    assert ask(fed, NOW + 1) is None
    fed.place_free()
    answer(fed, must_ask(fed, NOW + 1), exhausted=True)
    fed.place_free()
    assert ask(fed, NOW + 1) is None


def test_a_place_that_became_free_while_the_store_looked_is_not_forgotten(fed: Agenda) -> None:
    fed.wake()
    request = must_ask(fed, NOW + 1)
    fed.place_free()
    answer(fed, request, exhausted=False)
    assert must_ask(fed, NOW + 1).plan is not None


def held_back(agenda: Agenda, limit: Limit) -> Request:
    """Ask with a plan that has passed over a job of a name that is closed."""
    limits = Limits({"work": limit})
    limits.begin("work", None, NOON.timestamp())
    agenda.wake()
    request = agenda.next_request(NOW + 1, lambda: plan(1, limits), claim=True, idle=False)
    assert request is not None
    assert request.plan is not None
    request.plan.admit("work", None)
    return request


def test_a_rate_is_waited_for(fed: Agenda) -> None:
    answer(fed, held_back(fed, Limit(rate=(1, 2.0))), NOW + 1, exhausted=True)
    assert not fed.drained  # a burst stays
    assert min(fed.waits(NOW + 1, busy=False)) == 2.0
    fed.tick(NOW + 2.9)
    assert ask(fed, NOW + 2.9) is None
    fed.tick(NOW + 3.0)
    assert must_ask(fed, NOW + 3.0).plan is not None
    assert min(fed.waits(NOW + 3.0, busy=False)) > 2.0


def test_what_a_limit_held_back_is_asked_for_when_something_ends(fed: Agenda) -> None:
    request = held_back(fed, Limit(concurrency=1))
    answer(fed, request, NOW + 1, exhausted=True)
    assert ask(fed, NOW + 1) is None
    fed.place_free()
    assert must_ask(fed, NOW + 1).plan is not None
    request = held_back(fed, Limit(concurrency=1))
    fed.place_free()
    answer(fed, request, NOW + 1, exhausted=True)
    assert must_ask(fed, NOW + 1).plan is not None


def test_a_delayed_job_is_waited_for(fed: Agenda) -> None:
    fed.wake()
    answer(fed, must_ask(fed, NOW + 1), NOW + 1, exhausted=True, next_due=after(3))
    assert min(fed.waits(NOW + 1, busy=False)) == 3.0
    fed.tick(NOW + 4)
    assert fed.hungry


def test_a_store_that_refuses_keeps_the_results_here_and_is_left_alone(fed: Agenda) -> None:
    first, second = (
        Settlement(make_job(name), Ending(Outcome.COMPLETED, NOON), Options()) for name in "ab"
    )
    fed.settlements.append(first)
    request = must_ask(fed, NOW + 1)
    fed.settlements.append(second)
    fed.refuse(Reply(request, NOON, error=StoreError("no")), NOW + 1)
    assert fed.refused
    assert fed.settlements == [first, second]
    assert ask(fed, NOW + 1 + STORE_PAUSE / 2) is None
    assert STORE_PAUSE in fed.waits(NOW + 1, busy=False)
    again = must_ask(fed, NOW + 1 + STORE_PAUSE)
    assert again.settlements == [first, second]
    answer(fed, again)
    assert not fed.refused


def test_what_goes_back_may_be_due_at_once(fed: Agenda) -> None:
    ended = Settlement(make_job(), Ending(Outcome.RELEASED, NOON), Options())
    fed.settlements.append(ended)
    request = must_ask(fed, NOW + 1)
    answer(fed, request, settled=[make_job(status=Status.COMPLETED)])
    assert not fed.hungry
    answer(fed, request, settled=[make_job(status=Status.PENDING)])
    assert fed.hungry


def test_a_stop_claims_no_more_and_housekeeping_is_for_idle_times(fed: Agenda) -> None:
    fed.wake()
    assert must_ask(fed, NOW + 1, claim=False).plan is None
    fed.hungry = False
    later = NOW + 1 + HOUSEKEEPING
    assert ask(fed, later, idle=False) is None
    request = must_ask(fed, later, idle=True)
    assert request.maintain
    assert ask(fed, later, idle=True) is None
    answer(fed, request, more_to_maintain=True)
    assert must_ask(fed, later, idle=True).maintain


def test_when_all_that_was_due_was_claimed_it_is_asked_with_how_that_ended(fed: Agenda) -> None:
    fed.wake()
    answer(fed, must_ask(fed, NOW + 1), exhausted=True, claimed=[make_job("a")])
    stays = not fed.drained  # a burst
    assert ask(fed, NOW + 2) is None
    settlement = Settlement(make_job("a"), Ending(Outcome.COMPLETED, NOON), Options())
    fed.settlements.append(settlement)
    assert must_ask(fed, NOW + 2, free=0).plan is None
    fed.settlements.append(settlement)
    request = must_ask(fed, NOW + 2)
    assert request.plan is not None
    answer(fed, request, exhausted=True)
    assert (stays, fed.drained) == (True, True)
    fed.settlements.append(settlement)
    assert must_ask(fed, NOW + 3).plan is None


def test_a_claim_is_no_time_for_housekeeping(fed: Agenda) -> None:
    """What is claimed must not wait for that, nor be lost with its error."""
    fed.wake()
    answer(fed, must_ask(fed, NOW + 1), exhausted=True, claimed=[make_job("a")])
    request = must_ask(fed, NOW + 1 + HOUSEKEEPING, idle=True)
    assert (request.plan is not None, request.maintain) == (True, False)
    answer(fed, request, exhausted=True)
    assert must_ask(fed, NOW + 1 + HOUSEKEEPING, idle=True).maintain


def test_when_nothing_is_left_that_runs_it_is_asked_again(fed: Agenda) -> None:
    fed.wake()
    answer(fed, must_ask(fed, NOW + 1), exhausted=True, claimed=[make_job("a")])
    assert must_ask(fed, NOW + 2, idle=True).plan is not None
    assert must_ask(fed, NOW + 2, idle=True, claim=False).plan is None


def test_as_long_as_there_is_more_it_is_asked_for(fed: Agenda) -> None:
    fed.wake()
    answer(fed, must_ask(fed, NOW + 1), exhausted=False, claimed=[make_job("a")])
    assert must_ask(fed, NOW + 1).plan is not None
