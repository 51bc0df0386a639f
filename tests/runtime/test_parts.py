"""The daemon's small parts, each alone and without a process."""

from __future__ import annotations

import io
import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from jobctl.core.job import Attempt, Ending, Job, JobError, Outcome, Status
from jobctl.core.store import Verdict
from jobctl.runtime.channel import (
    Channel,
    Fork,
    Report,
    Task,
    decode_report,
    decode_task,
    decode_to_server,
    pair,
)
from jobctl.runtime.log import Log
from jobctl.runtime.plan import IN_HAND, MOST, SHORT, Durations, Plan
from jobctl.runtime.report import Reporter
from jobctl.runtime.slots import Slots
from tests.helpers import NOON, FakeClock, after, make_job


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def durations(**seconds: float) -> Durations:
    known = Durations()
    for name, duration in seconds.items():
        known.note(name, duration)
    return known


def test_the_mean_follows_and_a_long_name_has_no_cost() -> None:
    known = durations(quick=0.001)
    assert known.cost("unknown") is None
    assert known.cost("quick") == 0.001
    known.note("quick", 0.1)
    assert known.cost("quick") is None
    for _ in range(90):
        known.note("quick", 0.0)
    assert known.cost("quick") == IN_HAND / MOST
    assert durations(edge=SHORT).cost("edge") == SHORT


def test_a_long_job_takes_a_free_worker_and_the_best_is_not_overtaken() -> None:
    plan = Plan(durations(quick=0.001), 1, [0.0015], {"quick", "long"})
    assert plan.admit("quick", None) is Verdict.TAKE  # the free one: 4 ms are left there
    assert plan.admit("long", None) is Verdict.FULL
    assert [plan.admit("quick", None) for _ in range(6)] == [Verdict.TAKE] * 5 + [Verdict.FULL]


def test_without_room_there_is_none() -> None:
    assert not Plan(durations(), 0, [], {"a"}).room
    assert not Plan(durations(), 0, [0.0], {"a"}).room
    assert Plan(durations(), 0, [0.001], {"a"}).room
    assert Plan(durations(), 1, [], {"a"}).room


def test_unknown_names_need_no_worker_but_wait_if_no_name_is_known() -> None:
    assert Plan(durations(), 0, [], {"a"}).admit("b", None) is Verdict.TAKE
    assert Plan(durations(), 9, [], set()).admit("b", None) is Verdict.NAME_CLOSED


@pytest.fixture
def slots(tmp_path: Path) -> Slots:
    fd = Slots.create(tmp_path / "slots", 3)
    made = Slots(fd, 3)
    os.close(fd)
    return made


def test_slots_tell_what_was_begun(slots: Slots, tmp_path: Path) -> None:
    longest = "x" * 128
    slots.begin(0, "first", 5.0)
    slots.begin(2, longest, 6.5)
    assert [slots.begun(n) for n in range(3)] == [("first", 5.0), None, (longest, 6.5)]
    assert Slots.read_begun(tmp_path / "slots") == {"first", longest}
    slots.begin(2, "b", 7.0)
    assert slots.begun(2) == ("b", 7.0)
    slots.clear(0)
    assert Slots.read_begun(tmp_path / "slots") == {"b"}
    assert Slots.read_begun(tmp_path / "none") == set()


def test_a_handler_that_writes_into_every_descriptor_spoils_no_slot(tmp_path: Path) -> None:
    fd = Slots.create(tmp_path / "slots", 2)
    made = Slots(fd, 2)
    for number, job_id in enumerate(("first", "second")):
        made.begin(number, job_id, 5.0)
    os.lseek(fd, 0, os.SEEK_SET)
    os.write(fd, b"not a message" * 40)
    os.close(fd)
    assert [made.begun(n) for n in range(2)] == [("first", 5.0), ("second", 5.0)]


def test_slots_have_their_blocks(slots: Slots, tmp_path: Path) -> None:
    # A write into a hole of a mapped file is a SIGBUS when the disk is full.
    info = (tmp_path / "slots").stat()
    assert info.st_blocks * 512 >= info.st_size == 3 * 320
    assert info.st_mode & 0o777 == 0o600


def test_a_stop_names_its_job(slots: Slots) -> None:
    slots.ask_to_stop(1, "a")
    assert (slots.to_stop(1), slots.to_stop(0)) == ("a", "")
    slots.forget_stop(1, "b")
    assert slots.to_stop(1) == "a"
    slots.forget_stop(1, "a")
    assert slots.to_stop(1) == ""
    assert slots.begun(1) is None


@pytest.mark.parametrize("size", [0, 59_000, 60_001, 3_000_000])
def test_a_message_of_any_size_arrives_whole(size: int) -> None:
    ours, theirs = map(Channel, pair())
    open_before = len(os.listdir("/proc/self/fd"))
    for n in range(3):
        ours.send(Task(make_job(f"j{n}", data="x" * size), timeout=1.5))
        received = theirs.receive()
        assert received is not None
        task = decode_task(received[0])
        assert (task.job.id, len(task.job.data), task.timeout) == (f"j{n}", size, 1.5)
    assert len(os.listdir("/proc/self/fd")) == open_before
    ours.close()
    assert theirs.receive() is None
    theirs.close()


def test_descriptors_travel_and_are_not_inherited() -> None:
    ours, theirs = map(Channel, pair())
    ours.send(Fork(7), (ours.sock.fileno(),))
    received = theirs.receive()
    assert received is not None
    body, (fd,) = received
    assert decode_to_server(body) == Fork(7)
    assert not os.get_inheritable(fd)
    os.close(fd)
    ours.close()
    theirs.close()


def test_a_full_channel_says_so_and_loses_nothing() -> None:
    ours, theirs = map(Channel, pair())
    ours.sock.setblocking(False)
    sent = 0

    def fill() -> None:
        nonlocal sent
        while True:
            ours.send(Report(str(sent), Ending(Outcome.COMPLETED, NOON), b"x" * 30_000, 0.0))
            sent += 1

    with pytest.raises(BlockingIOError):
        fill()
    ids: list[str] = []
    while len(ids) < sent:
        received = theirs.receive()
        assert received is not None
        ids.append(decode_report(received[0]).job_id)
    assert ids == [str(n) for n in range(sent)]
    with pytest.raises(BlockingIOError):
        theirs.receive(socket.MSG_DONTWAIT)
    ours.close()
    theirs.close()


EVIL = "\x1b[2J\u202e\n12:00:00 forged"


def test_lines_of_json_escape_everything(clock: FakeClock) -> None:
    stream = io.StringIO()
    Log(clock, stream).warning(EVIL, name="\ud800\x9b", lost=1)
    (line,) = stream.getvalue().splitlines()
    assert line.isascii()
    assert line.isprintable()
    record = json.loads(line)
    assert (record["message"], record["level"], record["lost"]) == (EVIL, "warning", 1)
    assert record["time"] == "2026-11-24T12:00:00Z"


def test_lines_for_people_are_cleaned(clock: FakeClock) -> None:
    stream = Terminal()
    Log(clock, stream, colour=False).error(EVIL)
    assert "\x1b" not in stream.getvalue()
    assert "\u202e" not in stream.getvalue()
    coloured = Terminal()
    Log(clock, coloured).error("plain")
    assert coloured.getvalue().endswith("\x1b[31mplain\x1b[0m\n")


def test_a_log_that_cannot_be_written_stops_nobody(clock: FakeClock) -> None:
    stream = io.StringIO()
    log = Log(clock, stream)
    stream.close()
    log._stream = stream
    log.info("unheard")


def ended(outcome: Outcome, status: Status, message: str = "boom", **fields: Any) -> Job[Any]:
    error = None if outcome is Outcome.COMPLETED else JobError("ValueError", message)
    attempt = Attempt(outcome, started_at=NOON, finished_at=after(2), error=error)
    return make_job("id1", status=status, attempts=2, error=error, history=(attempt,), **fields)


@pytest.mark.parametrize(
    ("job", "said"),
    [
        (ended(Outcome.COMPLETED, Status.COMPLETED), "work id1 completed in 2s"),
        (
            ended(Outcome.ERROR, Status.PENDING, run_at=after(5)),
            "work id1 failed: ValueError: boom; attempt 2, it runs again in 3s",
        ),
        (
            ended(Outcome.TIMEOUT, Status.FAILED),
            "work id1 timed out: ValueError: boom; it is dead after 2 attempts: "
            "jobctl explain id1",
        ),
        (ended(Outcome.RELEASED, Status.PENDING), ""),
        (
            ended(Outcome.ERROR, Status.FAILED, ""),
            "work id1 failed: ValueError; it is dead after 2 attempts: jobctl explain id1",
        ),
        (
            ended(Outcome.ERROR, Status.FAILED, EVIL),
            "work id1 failed: ValueError: \\x1b[2J\\u202e\\x0a12:00:00 forged; it is dead "
            "after 2 attempts: jobctl explain id1",
        ),
    ],
)
def test_the_report_of_an_attempt(job: Job[Any], said: str, clock: FakeClock) -> None:
    stream = Terminal()
    Reporter(Log(clock, stream, colour=False)).ended(job)
    assert stream.getvalue()[9:].rstrip("\n") == said


def test_a_huge_error_is_cut_in_the_log_and_the_summary_counts(clock: FakeClock) -> None:
    stream = io.StringIO()
    reporter = Reporter(Log(clock, stream))
    reporter.ended(ended(Outcome.ERROR, Status.FAILED, "x" * 4000))
    reporter.ended(ended(Outcome.COMPLETED, Status.COMPLETED))
    reporter.summary()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert len(lines) == 2
    assert len(lines[0]["message"]) < 700
    assert lines[1]["message"] == "stopped; 1 completed, 1 failed"
