"""Figures: counted as attempts end, written in lines that add up, read as they grow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from jobctl.core.job import Ending, Job, Options, Outcome, claim, finish
from jobctl.runtime.tally import EVERY, Counting
from jobctl.services.figures import BOUNDS, DAYS, Follower, Tally, append, folder_in, forget
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


def test_lines_add_up_and_are_read_once(tmp_path: Path) -> None:
    folder = folder_in(tmp_path)
    follower = Follower(folder)
    assert list(follower.lines()) == []
    append(folder, NOON, {"a": Tally(completed=2, took={3: 2}), "b": Tally(failed=1)})
    first = [(line.name, line.at, line.tally.completed) for line in follower.lines()]
    assert first == [("a", int(NOON.timestamp()), 2), ("b", int(NOON.timestamp()), 0)]
    assert list(follower.lines()) == []
    append(folder, NOON + timedelta(days=1), {"a": Tally(completed=1)})
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


def test_a_line_that_was_cut_off_spoils_no_other(tmp_path: Path) -> None:
    folder = folder_in(tmp_path)
    append(folder, NOON, {"a": Tally(completed=1)})
    path = folder / "2026-11-24.jsonl"
    follower = Follower(folder)
    with path.open("ab") as file:
        file.write(b'{"at":1,"name":"b","ta')
    assert [line.name for line in follower.lines()] == ["a"]
    append(folder, NOON, {"c": Tally(completed=1)})
    assert [line.name for line in follower.lines()] == ["c"]
    path.write_bytes(b"\xff\n[]\nnull\n\n")
    assert list(Follower(folder).lines()) == []


def test_old_files_go(tmp_path: Path) -> None:
    folder = folder_in(tmp_path)
    for days in (0, DAYS, DAYS + 1, 30):
        append(folder, NOON - timedelta(days=days), {"a": Tally(completed=1)})
    forget(folder, NOON)
    assert sorted(path.name for path in folder.iterdir()) == [
        "2026-11-16.jsonl",
        "2026-11-24.jsonl",
    ]


def test_the_daemon_writes_now_and_then(tmp_path: Path, clock: FakeClock) -> None:
    counting = Counting(str(tmp_path), clock)
    follower = Follower(folder_in(tmp_path))
    assert counting.tick() is None
    counting.ended(ended(Outcome.COMPLETED))
    assert counting.tick() is None  # the first is written at once
    assert [line.tally.completed for line in follower.lines()] == [1]
    counting.ended(ended(Outcome.COMPLETED))
    counting.ended(ended(Outcome.COMPLETED, name="other"))
    assert counting.tick() == EVERY
    assert list(follower.lines()) == []
    clock.advance(EVERY)
    assert counting.tick() is None
    assert sorted(line.name for line in follower.lines()) == ["other", "work"]
    counting.ended(ended(Outcome.RELEASED))
    counting.save()
    assert list(follower.lines()) == []
    counting.ended(ended(Outcome.ERROR))
    counting.save()
    assert [line.tally.failed for line in follower.lines()] == [1]


def test_a_folder_that_cannot_be_written_stops_nothing(
    tmp_path: Path, clock: FakeClock
) -> None:
    (tmp_path / "figures").write_text("in the way")
    for files in (str(tmp_path), ""):
        counting = Counting(files, clock)
        counting.ended(ended(Outcome.COMPLETED))
        counting.save()


def test_a_time_before_1970_is_no_trouble(tmp_path: Path) -> None:
    early = datetime(1969, 12, 31, 23, 59, tzinfo=UTC)
    append(folder_in(tmp_path), early, {"a": Tally(completed=1)})
    assert [line.at for line in Follower(folder_in(tmp_path)).lines()] == [-60]
