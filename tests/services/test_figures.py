"""Figures: counted as attempts end, written in lines that add up, read as they grow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jobctl.core.job import Ending, Job, Options, Outcome, claim, finish
from jobctl.runtime.tally import EVERY, Counting
from jobctl.services.figures import (
    BOUNDS,
    DAYS,
    Follower,
    Minute,
    Tally,
    append,
    folder_in,
    forget,
    unfinished,
    write,
)
from tests.helpers import NOON, FakeClock, after, make_job


def ended(
    outcome: Outcome, seconds: float = 0.2, retries: int = 0, name: str = "work"
) -> Job[Any]:
    """Return a job whose attempt has just ended."""
    job = claim(make_job(name=name), NOON)
    return finish(
        job, Ending(outcome, finished_at=after(seconds)), Options(max_retries=retries)
    )


def counted(*jobs: Job[Any]) -> Tally:
    tally = Tally()
    for job in jobs:
        tally.count(job)
    return tally


@pytest.mark.parametrize(
    ("outcome", "retries", "expected"),
    [
        (Outcome.ERROR, 0, Tally(failed=1)),
        (Outcome.ERROR, 1, Tally(retried=1)),
        (Outcome.TIMEOUT, 1, Tally(retried=1)),
        (Outcome.CRASHED, 1, Tally(retried=1)),
        (Outcome.LOST, 0, Tally(retried=1)),
        (Outcome.CANCELLED, 0, Tally(cancelled=1)),
        (Outcome.RELEASED, 0, Tally()),
        (Outcome.SNOOZED, 0, Tally()),
    ],
)
def test_how_an_attempt_counts(outcome: Outcome, retries: int, expected: Tally) -> None:
    assert counted(ended(outcome, retries=retries)) == expected


def test_durations_are_told_apart() -> None:
    tally = counted(*(ended(Outcome.COMPLETED, s) for s in (0.001, 0.0011, 0.2, 5000)))
    assert tally.completed == 4
    assert tally.seconds == pytest.approx(5000.2021)
    places = [BOUNDS.index(0.001), BOUNDS.index(0.0025), BOUNDS.index(0.25), len(BOUNDS)]
    assert tally.took == dict.fromkeys(places, 1)


def test_quantiles() -> None:
    assert Tally().quantile(0.5) is None
    tally = counted(*(ended(Outcome.COMPLETED, 0.2) for _ in range(100)))
    assert tally.quantile(0.5) == pytest.approx(0.175)  # between 0.1 and 0.25
    assert tally.quantile(0.95) == pytest.approx(0.2425)
    tally.add(counted(*(ended(Outcome.COMPLETED, 40) for _ in range(900))))
    assert 30 < (tally.quantile(0.5) or 0) < 60
    assert (tally.quantile(0.05) or 0) < 0.25
    assert counted(ended(Outcome.COMPLETED, 9999)).quantile(0.5) == BOUNDS[-1]


AT = int(NOON.timestamp())
DAY = 86400


def put_down(folder: Path, at: int, **tallies: Tally) -> None:
    """Append a minute."""
    append(folder, Minute(at, dict(tallies)))


def test_lines_add_up_and_are_read_once(tmp_path: Path) -> None:
    folder = folder_in(tmp_path)
    follower = Follower(folder)
    assert list(follower.lines()) == []
    assert follower.minute() is None
    put_down(folder, AT, a=Tally(completed=2, took={3: 2}), b=Tally(failed=1))
    first = [(line.name, line.at, line.tally.completed) for line in follower.lines()]
    assert first == [("a", AT, 2), ("b", AT, 0)]
    assert list(follower.lines()) == []
    put_down(folder, AT + DAY, a=Tally(completed=1))
    assert [line.tally.completed for line in follower.lines()] == [1]
    total = Tally()
    for line in Follower(folder).lines():
        total.add(line.tally)
    assert total == Tally(completed=3, failed=1, took={3: 2})
    assert sorted(path.name for path in folder.iterdir()) == [
        "2026-11-24.jsonl",
        "2026-11-25.jsonl",
    ]
    assert (folder / "2026-11-24.jsonl").stat().st_mode & 0o777 == 0o600


def test_a_minute_counts_once(tmp_path: Path) -> None:
    folder = folder_in(tmp_path)
    follower = Follower(folder)
    minute = Minute(AT, {"a": Tally(completed=1)})
    write(folder, minute)
    assert list(follower.lines()) == []
    assert follower.minute() == minute == unfinished(folder)
    append(folder, minute)  # and a crash before the next one is begun
    assert [line.at for line in follower.lines()] == [AT]
    assert follower.minute() is None
    assert unfinished(folder) is None
    write(folder, Minute(AT + 60, {"a": Tally(failed=1)}))
    assert list(follower.lines()) == []
    assert follower.minute() == Minute(AT + 60, {"a": Tally(failed=1)})


def test_a_minute_that_ends_while_it_is_read_is_not_missed(tmp_path: Path) -> None:
    folder = folder_in(tmp_path)
    follower = Follower(folder)
    put_down(folder, AT - 60, a=Tally(completed=1))
    minute = Minute(AT, {"a": Tally(completed=1)})
    write(folder, minute)
    lines = follower.lines()
    next(lines)  # the files have been read
    append(folder, minute)
    write(folder, Minute(AT + 60, {"a": Tally(completed=1)}))
    assert list(lines) == []
    assert follower.minute() == minute


def test_a_line_that_was_cut_off_spoils_no_other(tmp_path: Path) -> None:
    folder = folder_in(tmp_path)
    put_down(folder, AT, a=Tally(completed=1))
    path = folder / "2026-11-24.jsonl"
    follower = Follower(folder)
    with path.open("ab") as file:
        file.write(b'{"at":1,"name":"b","ta')
    assert [line.name for line in follower.lines()] == ["a"]
    put_down(folder, AT, c=Tally(completed=1))
    assert [line.name for line in follower.lines()] == ["c"]
    path.write_bytes(b"\xff\n[]\nnull\n\n")
    (folder / "minute.json").write_bytes(b"{")
    other = Follower(folder)
    assert (list(other.lines()), other.minute()) == ([], None)


def test_old_files_go(tmp_path: Path) -> None:
    folder = folder_in(tmp_path)
    for days in (0, DAYS, DAYS + 1, 30):
        put_down(folder, AT - days * DAY, a=Tally(completed=1))
    forget(folder, NOON)
    assert sorted(path.name for path in folder.iterdir()) == [
        "2026-11-16.jsonl",
        "2026-11-24.jsonl",
    ]


def read(files: Path) -> tuple[list[int], Minute | None]:
    """Return the minutes that stand in the files, and the one that is not over."""
    follower = Follower(folder_in(files))
    return [line.at - AT for line in follower.lines()], follower.minute()


def test_the_daemon_writes_now_and_then(tmp_path: Path, clock: FakeClock) -> None:
    counting = Counting(str(tmp_path), clock)
    assert counting.tick() is None
    counting.ended(ended(Outcome.COMPLETED))
    assert counting.tick() is None  # the first is written at once
    counting.ended(ended(Outcome.ERROR))
    counting.ended(ended(Outcome.ERROR, name="other"))
    assert counting.tick() == EVERY
    _, minute = read(tmp_path)
    assert minute is not None
    assert list(minute.tallies) == ["work"]
    clock.advance(EVERY)
    assert counting.tick() is None
    appended, minute = read(tmp_path)
    assert minute is not None
    assert (appended, minute.at) == ([], AT)
    assert (minute.tallies["work"].completed, minute.tallies["work"].failed) == (1, 1)
    assert minute.tallies["other"] == Tally(failed=1)
    clock.advance(60)
    counting.ended(ended(Outcome.RELEASED))
    counting.save()
    assert read(tmp_path)[0] == []  # there was nothing to tell
    counting.ended(ended(Outcome.ERROR))
    counting.save()
    assert read(tmp_path) == ([0, 0], Minute(AT + 60, {"work": Tally(failed=1)}))


def test_the_next_daemon_goes_on_with_the_minute(tmp_path: Path, clock: FakeClock) -> None:
    for seconds in (0, 1, 90):
        clock.advance(seconds)
        counting = Counting(str(tmp_path), clock)
        counting.ended(ended(Outcome.ERROR))
        counting.save()
    appended, minute = read(tmp_path)
    assert (appended, minute) == ([0], Minute(AT + 60, {"work": Tally(failed=1)}))
    [line] = Follower(folder_in(tmp_path)).lines()
    assert line.tally.failed == 2


def test_a_folder_that_cannot_be_written_stops_nothing(
    tmp_path: Path, clock: FakeClock
) -> None:
    (tmp_path / "figures").write_text("in the way")
    for files in (str(tmp_path), ""):
        counting = Counting(files, clock)
        counting.ended(ended(Outcome.COMPLETED))
        counting.save()


def test_a_time_before_1970_is_no_trouble(tmp_path: Path) -> None:
    put_down(folder_in(tmp_path), -60, a=Tally(completed=1))
    assert [line.at for line in Follower(folder_in(tmp_path)).lines()] == [-60]
