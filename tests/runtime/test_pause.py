"""Pauses and dependencies as a daemon keeps them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jobctl.core.job import Status
from tests.helpers import eventually
from tests.runtime.rig import Rig

HANDLERS = """
import time
from jobctl import Fail, handler

@handler
def note(job):
    return time.monotonic()

@handler
def other(job):
    return time.monotonic()

@handler
def fail(job):
    raise Fail("no")
"""


@pytest.fixture
def rig(make_rig: Any) -> Rig:
    return make_rig(HANDLERS)  # type: ignore[no-any-return]  # a fixture of Any


def status(rig: Rig, job_id: str) -> Status:
    job = rig.queue.get(job_id)
    assert job is not None
    return job.status


def test_a_pause_is_seen_at_once_and_outlives_the_daemon(rig: Rig) -> None:
    daemon = rig.start()
    rig.queue.wait(rig.queue.add("note"), 10)
    rig.queue.pause("note")
    waits = rig.queue.add("note")
    rig.queue.wait(rig.queue.add("other"), 10)
    assert status(rig, waits) is Status.PENDING
    daemon.kill()
    daemon.wait()
    rig.start()
    rig.queue.wait(rig.queue.add("other"), 10)
    assert status(rig, waits) is Status.PENDING
    rig.queue.resume("note")
    rig.queue.wait(waits, 3)  # sooner than the daemon looks by itself


def test_all_rest_and_a_burst_ends_although_they_wait(rig: Rig) -> None:
    rig.queue.pause()
    ids = [rig.queue.add(name) for name in ("note", "other")]
    assert rig.run("--burst") == 0
    assert [status(rig, one) for one in ids] == [Status.PENDING] * 2
    assert list(rig.queue.paused()) == [None]
    rig.queue.resume()
    assert rig.run("--burst") == 0
    assert [status(rig, one) for one in ids] == [Status.COMPLETED] * 2


def test_a_hundred_thousand_that_rest_hold_nobody_up(rig: Rig) -> None:
    rig.queue.pause("note")
    rig.queue.add_many([("note", n, {"priority": 9}) for n in range(100_000)])
    rig.start()
    first = rig.queue.wait(rig.queue.add("other"), 30)
    ids = [rig.queue.add("other") for _ in range(20)]
    assert all(job.status is Status.COMPLETED for job in (*first, *rig.queue.wait(ids, 10)))
    assert rig.queue.stats().pending == 100_000


def test_a_chain_runs_in_order_and_stops_where_it_breaks(rig: Rig) -> None:
    rig.start()
    good = rig.queue.wait(rig.queue.chain(["note", "other", "note"]), 10)
    assert good[0].result < good[1].result < good[2].result
    ids = rig.queue.chain(["note", "fail", "note", "other"])
    ended = rig.queue.wait(ids, 10)
    assert [job.status for job in ended] == ["completed", "failed", "cancelled", "cancelled"]
    assert ended[2].error is not None
    assert ended[2].error.message == f"it waited for job {ids[1]} (fail), which failed"
    eventually(lambda: f"{ids[3]} was cancelled" in rig.log(), 5)


def test_a_fan_in_waits_for_the_last(rig: Rig, tmp_path: Path) -> None:
    ids = [rig.queue.add("note") for _ in range(50)]
    last = rig.queue.add("other", after=ids)
    rig.start()
    [end] = rig.queue.wait(last, 20)
    assert all(job.result < end.result for job in rig.queue.wait(ids, 1))
