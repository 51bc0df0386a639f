"""How long the loop does nothing but to take what comes."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from jobctl.runtime.serving import AT_REPORTS, Serving
from tests.helpers import FakeClock


class Script:
    """A loop in which the next `comes` says what happens: how many came, after how long."""

    def __init__(self, clock: FakeClock, *comes: Callable[[], tuple[int, float]]) -> None:
        self._clock = clock
        self._comes = list(comes)
        self.asked: list[float] = []  # how long it was to wait at most

    def wait(self, seconds: float) -> int:
        self.asked.append(seconds)
        came, after = self._comes.pop(0)() if self._comes else (0, seconds)
        self._clock.advance(after)
        return came


def serving(clock: FakeClock, loop: Script, keeper: Any, patience: float) -> Any:
    made: Any = Serving.__new__(Serving)
    made._clock, made._loop, made._keeper = clock, loop, keeper
    made._patience = lambda: patience
    return made


def test_reports_keep_the_loop_from_all_else_for_a_moment_only(clock: FakeClock) -> None:
    keeper = SimpleNamespace(busy=True)
    loop = Script(clock, *[lambda: (1, AT_REPORTS / 4)] * 20)
    serving(clock, loop, keeper, 1.0)._wait()
    assert 4 <= len(loop.asked) <= 6
    assert loop.asked[0] == 1.0
    assert max(loop.asked[1:]) < AT_REPORTS


def test_what_is_due_sooner_is_done_sooner(clock: FakeClock) -> None:
    keeper = SimpleNamespace(busy=True)
    loop = Script(clock, *[lambda: (1, AT_REPORTS / 8)] * 20)
    serving(clock, loop, keeper, AT_REPORTS / 4)._wait()
    assert len(loop.asked) == 2


def test_a_reply_ends_the_wait(clock: FakeClock) -> None:
    keeper = SimpleNamespace(busy=True)

    def reply() -> tuple[int, float]:
        keeper.busy = False
        return 1, 0.0

    loop = Script(clock, reply)
    serving(clock, loop, keeper, 1.0)._wait()
    assert loop.asked == [1.0]


def test_after_a_wake_up_that_was_answered_with_a_request_it_goes_on_waiting(
    clock: FakeClock,
) -> None:
    keeper = SimpleNamespace(busy=False)

    def wake_up() -> tuple[int, float]:
        keeper.busy = True
        return 1, 0.25

    loop = Script(clock, wake_up)
    serving(clock, loop, keeper, 1.0)._wait()
    assert loop.asked == [1.0, pytest.approx(0.75)]
