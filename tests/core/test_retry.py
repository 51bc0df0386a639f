"""When a job runs again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from jobctl.core.retry import Fail, Retry, RetryPolicy, Snooze
from jobctl.errors import InvalidJob


@pytest.mark.parametrize(
    ("attempt", "wait"), [(1, 2), (2, 4), (3, 8), (4, 16), (5, 20), (6, 20), (5000, 20)]
)
def test_the_wait_doubles_up_to_the_cap(attempt: int, wait: float) -> None:
    assert RetryPolicy(base=2, cap=20).delay(attempt) == wait


def test_jitter_only_adds() -> None:
    policy = RetryPolicy(base=10, jitter=0.2)
    assert [policy.delay(1, chance) for chance in (0, 0.5, 1)] == pytest.approx([10, 11, 12])


def test_a_list_of_delays_ends_with_its_last() -> None:
    policy = RetryPolicy(delays=(1, 5, 30))
    assert [policy.delay(n) for n in (1, 2, 3, 4, 100)] == [1, 5, 30, 30, 30]


def test_what_a_handler_raises_knows_its_seconds() -> None:
    assert Retry().after is None
    assert Retry("busy", after="5m").after == 300
    assert Snooze(timedelta(minutes=1)).after == 60
    assert str(Fail("no such address")) == "no such address"
    with pytest.raises(InvalidJob):
        Snooze("soon")
