"""Scheduler, as a program uses it, and @schedule on handlers."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from jobctl import (
    Conflict,
    CronPatterns,
    HandlerError,
    InvalidJob,
    NotFound,
    Schedule,
    Scheduler,
    schedule,
)
from jobctl.runtime import declaring, handlers
from tests.helpers import ROOT

PROGRAM = """
from jobctl import CronPatterns, Queue, Scheduler

def clean():
    return "cleaned"

scheduler = Scheduler("jobs.toml")
scheduler.schedule("tidy", CronPatterns.DAILY_3AM, clean, enabled=True, timezone="Asia/Tokyo")
if __name__ == "__main__":
    scheduler.start()
    job_id = scheduler.trigger("tidy")
    print(Queue("jobs.toml").wait(job_id, timeout=20)[0].result)
    scheduler.stop()
"""


def at_top() -> None: ...


@pytest.fixture
def scheduler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scheduler:
    for name in ("JOBCTL_STORE", "JOBCTL_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(handlers, "_handlers", {})
    monkeypatch.setattr(handlers, "places", {})
    monkeypatch.setattr(declaring, "_wanted", [])
    (tmp_path / "jobs.toml").write_text("")
    (tmp_path / "jobs.toml").chmod(0o644)
    tmp_path.chmod(0o755)
    return Scheduler(str(tmp_path / "jobs.toml"))


def test_from_schedule_to_unschedule(scheduler: Scheduler, tmp_path: Path) -> None:
    scheduler.schedule("a", CronPatterns.WEEKLY, "work", enabled=False, timezone="Asia/Tokyo")
    scheduler.schedule("b", None, at_top, every=timedelta(minutes=5))
    a, b = scheduler.schedules()
    assert isinstance(a, Schedule)
    assert (a.name, a.cron, a.job, a.enabled, a.timezone) == (
        "a", "0 0 * * 0", "work", False, "Asia/Tokyo"
    )  # fmt: skip
    assert (b.every, b.job, b.enabled, b.run_count) == (300, "b", True, 0)
    assert b.next_run is not None
    assert a.source == f"{tmp_path}/jobs.d/a.toml:2"
    assert scheduler.enable("a").enabled
    assert not scheduler.disable("b").enabled
    assert scheduler.get("c") is None
    assert len(scheduler.trigger("b")) == 16
    assert scheduler.get("b").run_count == 1  # type: ignore[union-attr]
    assert scheduler.history("b") == []
    scheduler.schedule("a", "@daily", "other")
    assert scheduler.get("a").job == "other"  # type: ignore[union-attr]
    scheduler.unschedule("a")
    assert [one.name for one in scheduler.schedules()] == ["b"]
    for act in (scheduler.unschedule, scheduler.enable, scheduler.trigger):
        with pytest.raises(NotFound):
            act("a")


def test_what_cannot_be_is_refused(scheduler: Scheduler, tmp_path: Path) -> None:
    with pytest.raises(HandlerError, match="lambda"):
        scheduler.schedule("a", "@daily", lambda: None)
    with pytest.raises(InvalidJob, match="cron"):
        scheduler.schedule("a", "1 2 3", "work")
    with pytest.raises(InvalidJob, match="did you mean timezone"):
        scheduler.schedule("a", "@daily", "work", timezon="UTC")  # type: ignore[call-arg]
    (tmp_path / "jobs.toml").write_text("[schedules.hand]\nevery = 5\njob = 'x'\n")
    with pytest.raises(Conflict, match=r"jobs\.toml:1"):
        scheduler.schedule("hand", "@daily", "work")
    with pytest.raises(Conflict, match=r"jobs\.toml:1"):
        scheduler.unschedule("hand")


def test_a_program_runs_what_it_schedules(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "jobs.toml").write_text("")
    (tmp_path / "jobs.toml").chmod(0o644)
    tmp_path.chmod(0o755)
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "cleaned\n", done.stderr
    assert (tmp_path / "jobs.d" / "tidy.toml").exists()


@pytest.mark.usefixtures("scheduler")
def test_schedules_in_code() -> None:
    @schedule("@daily", timezone="UTC")
    @handlers.handler("one", max_retries=1)
    @schedule(every="90s", name="often", expect_within="1h")
    def function() -> None: ...

    often, daily = declaring.declared()
    assert (often["name"], often["job"], often["every"]) == ("often", "one", 90)
    assert often["expect_within"] == 3600.0
    assert (daily["name"], daily["job"], daily["cron"]) == ("one", "one", "@daily")
    assert daily["source"].startswith(__file__)


@pytest.mark.usefixtures("scheduler")
def test_in_a_handlers_module_a_call_declares(
    scheduler: Scheduler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBCTL_IMPORTING", "1")
    scheduler.schedule("tidy", "@daily", at_top, timezone="UTC")
    (table,) = declaring.declared()
    assert (table["name"], table["job"]) == ("tidy", "tidy")
    assert table["source"].startswith(__file__)
    assert "tidy" in handlers.names()
    assert not (tmp_path / "jobs.d").exists()


@pytest.mark.usefixtures("scheduler")
def test_wrong_schedules_in_code_are_named() -> None:
    def register(*decorators: object) -> str:
        declaring._wanted.clear()
        function = at_top
        for one in decorators:
            function = one(function)  # type: ignore[operator]
        with pytest.raises(HandlerError) as caught:
            declaring.declared()
        return str(caught.value)

    assert "has a schedule but is no handler" in register(schedule("@daily"))
    handlers.handler("h")(at_top)
    assert "no FEB has day 31" in register(schedule("0 0 31 2 *"))
    assert "two schedules are called 'h'" in register(schedule("@daily"), schedule("@hourly"))
    assert "cron or every" in register(schedule())
    with pytest.raises(HandlerError, match="needs a time"):
        schedule(at_top)  # type: ignore[arg-type]
