"""What a worker reports of each way in which a handler may end."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jobctl.core.job import Outcome
from jobctl.core.retry import Fail, Retry, Snooze
from jobctl.runtime import handlers
from jobctl.runtime.channel import STOP_SIGNAL, Channel, Report, Task, pair
from jobctl.runtime.slots import Slots
from jobctl.runtime.worker import Worker
from tests.helpers import make_job

Run = Callable[..., Report]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a function as the handler of a job, in a worker that is this process."""
    monkeypatch.setattr(handlers, "_handlers", {})
    with (tmp_path / "slots").open("w+b") as file:
        file.truncate(320)
        slots = Slots(file.fileno(), 1)
    ours, theirs = pair()
    worker = Worker(Channel(theirs), slots, 0, max_result=1000)

    def run_one(function: Callable[..., Any], data: Any = None, stop: str = "") -> Report:
        handlers.handler("work")(function)
        if stop:
            slots.ask_to_stop(0, stop)
        report = worker.run(Task(make_job("id1", data=data), timeout=None))
        begun = slots.begun(0)
        assert begun is not None
        assert begun[0] == report.job_id == "id1"
        return report

    kept = {number: signal.getsignal(number) for number in (signal.SIGALRM, STOP_SIGNAL)}
    yield run_one
    for number, before in kept.items():
        signal.signal(number, before)
    if worker._runner is not None:
        worker._runner.close()
    ours.close()
    theirs.close()


@dataclass
class Size:
    width: int


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def raises(error: BaseException) -> Callable[[Any], None]:
    def work(job: Any) -> None:
        raise error

    return work


@pytest.mark.parametrize("value", [{"a": [1, None, "é"]}, 0, False, "", [], Size(3)])
def test_a_result_is_json(run: Run, value: Any) -> None:
    report = run(lambda job: value)
    assert report.ending.outcome is Outcome.COMPLETED
    assert report.result == msgspec.json.encode(value)
    assert report.ending.error is None


def test_no_result_is_none(run: Run) -> None:
    report = run(lambda job: None)
    assert (report.ending.outcome, report.result) == (Outcome.COMPLETED, None)


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def circle() -> Any:
    value: list[Any] = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("x" * 999, "1,001 bytes"),
        (object(), "object"),
        ("\ud800", "result"),
        (1 << 70, "result"),
        (float("nan"), "result"),
        ({"a": [b"bytes"]}, "result.a[0]"),
        (deep(101), "nested deeper than 100 levels"),
        (circle(), "nested deeper than 100 levels"),
    ],
)
def test_a_result_that_cannot_be_kept_is_told_and_the_job_is_done(
    run: Run, value: Any, why: str
) -> None:
    report = run(lambda job: value)
    assert (report.ending.outcome, report.result) == (Outcome.COMPLETED, None)
    assert report.ending.error is not None
    assert report.ending.error.type == "ResultNotKept"
    assert why in report.ending.error.message


def test_the_deepest_result_is_kept(run: Run) -> None:
    assert run(lambda job: deep(100)).result is not None


@pytest.mark.parametrize(
    ("error", "outcome", "after", "final", "kind"),
    [
        (ValueError("no"), Outcome.ERROR, None, False, "ValueError"),
        (Retry("no"), Outcome.ERROR, None, False, "Retry"),
        (Retry("no", after="2m"), Outcome.ERROR, 120.0, False, "Retry"),
        (Fail("no"), Outcome.ERROR, None, True, "Fail"),
        (Snooze(30, "no"), Outcome.SNOOZED, 30.0, False, None),
        (SystemExit("no"), Outcome.ERROR, None, False, "SystemExit"),
        (KeyboardInterrupt("no"), Outcome.ERROR, None, False, "KeyboardInterrupt"),
        (GeneratorExit("no"), Outcome.ERROR, None, False, "GeneratorExit"),
    ],
)
@pytest.mark.parametrize("kind_of_handler", ["sync", "async"])
def test_what_a_handler_raises(
    run: Run,
    error: BaseException,
    outcome: Outcome,
    after: float | None,
    final: bool,
    kind: str | None,
    kind_of_handler: str,
) -> None:
    async def asynchronous(job: Any) -> None:
        await asyncio.sleep(0)
        raise error

    ending = run(raises(error) if kind_of_handler == "sync" else asynchronous).ending
    assert (ending.outcome, ending.after, ending.final) == (outcome, after, final)
    if kind is None:
        assert ending.error is None
    else:
        assert ending.error is not None
        assert (ending.error.type, ending.error.message) == (kind, "no")


def test_an_interrupted_loop_serves_the_next_job(run: Run) -> None:
    async def leaves(job: Any) -> None:
        sys.exit(1)

    async def works(job: Any) -> int:
        await asyncio.sleep(0)
        return 5

    assert run(leaves).ending.outcome is Outcome.ERROR
    handlers._handlers.clear()
    assert run(works).result == b"5"


def test_data_that_does_not_fit_is_final(run: Run) -> None:
    def sized(data: Size) -> int:
        return data.width

    assert run(sized, {"width": 3}).result == b"3"
    ending = run(sized, {"width": "wide"}).ending
    assert (ending.outcome, ending.final) == (Outcome.ERROR, True)
    assert ending.error is not None
    assert "width" in ending.error.message


def test_the_traceback_begins_at_the_users_frame(run: Run) -> None:
    def inner() -> None:
        raise KeyError("lost")

    def work(job: Any) -> None:
        inner()

    error = run(work).ending.error
    assert error is not None
    assert error.traceback is not None
    frames = [line for line in error.traceback.splitlines() if line.startswith("  File")]
    assert [frame.rpartition(" in ")[2] for frame in frames] == ["work", "inner"]
    assert all(__file__ in frame for frame in frames)


def test_texts_are_bounded_and_can_be_encoded(run: Run) -> None:
    error = run(raises(ValueError("x" * 1_000_000))).ending.error
    assert error is not None
    assert error.traceback is not None
    assert len(error.message) == 4_000
    assert len(error.traceback) < 17_000
    assert "Unprintable" in str(run(raises(Unprintable())).ending.error)
    surrogate = run(raises(ValueError("\udcff"))).ending.error
    assert surrogate is not None
    assert surrogate.message == "\\udcff"


def test_a_foreign_exceptions_type_has_its_module(run: Run) -> None:
    error = run(raises(Unprintable())).ending.error
    assert error is not None
    assert error.type == f"{__name__}.Unprintable"
    odd = type("Odd", (Exception,), {"__module__": None})
    assert run(raises(odd())).ending.error is not None


def test_a_plain_function_around_an_async_one_is_awaited(run: Run) -> None:
    async def inner() -> int:
        await asyncio.sleep(0)
        return 7

    assert run(lambda job: inner()).result == b"7"


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_job_that_was_cancelled_before_it_began_does_not_run(run: Run, kind: str) -> None:
    ran = []

    async def asynchronous(job: Any) -> None:
        ran.append(1)

    handler = asynchronous if kind == "async" else lambda job: ran.append(1)
    assert run(handler, stop="another").ending.outcome is Outcome.COMPLETED
    assert run(handler, stop="id1").ending.outcome is Outcome.CANCELLED
    assert ran == [1]


DAEMON_GOES = """
import os, tempfile
from jobctl.runtime.channel import Setup, pair
from jobctl.runtime.forked import run_worker
from jobctl.runtime.slots import Slots

ours, theirs = pair()
theirs.send(b"a report that nobody reads: what the other end gets is a reset")
ours.close()
with tempfile.TemporaryFile() as file:
    file.truncate(320)
    slots = Slots(file.fileno(), 1)
run_worker(os.getppid(), 0, theirs.detach(), slots, Setup([], '', [], 1000, []))
"""


def test_a_worker_whose_daemon_has_gone_leaves_without_a_word() -> None:
    done = subprocess.run([sys.executable, "-c", DAEMON_GOES], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "")


def test_an_attempt_ends_after_it_began(run: Run) -> None:
    report = run(lambda job: sum(range(10_000)))
    assert report.ending.started_at is not None
    assert report.ending.started_at < report.ending.finished_at
