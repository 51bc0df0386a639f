"""The overview over HTTP: figures of the last hour, day and week, and metrics of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from jobctl.services.figures import Minute, Tally, append, folder_in
from jobctl.services.figures import write as write_minute
from jobctl.services.telling import Rules, State, Told, Trouble, write_told
from jobctl.web.plots import RANGES, Figures
from tests.helpers import claim, make_job, put
from tests.web.conftest import Site
from tests.web.crew import counted, reached, works


def now() -> datetime:
    """Return the time, as the server has it."""
    return datetime.now(UTC)


def test_figures(site: Site) -> None:
    empty = site.get("/figures").json()
    assert (empty["range"], empty["step"], empty["names"]) == ("hour", 60, [])
    assert empty["all"]["completed"] == [0] * 60
    assert empty["all"]["total_p50"] is None
    counted(site, "mail", Tally(completed=10, failed=1, seconds=2, took={6: 10}), minutes=5)
    counted(site, "mail", Tally(completed=4, retried=2, seconds=1, took={6: 4}), hours=5)
    counted(site, "report", Tally(completed=1, seconds=60, took={14: 1}), days=5)
    for span, totals in (("hour", [10]), ("day", [14]), ("week", [14, 1])):
        plot = site.get(f"/figures?range={span}").json()
        step, count = RANGES[span]
        assert (plot["step"], len(plot["all"]["completed"])) == (step, count)
        assert [one["total_completed"] for one in plot["names"]] == totals
        assert sum(plot["all"]["completed"]) == sum(totals)
        end = datetime.fromisoformat(plot["start"]) + timedelta(seconds=step * count)
        assert timedelta(seconds=-30) < end - now() < timedelta(seconds=step + 60)
    mail, report = site.get("/figures?range=week").json()["names"]
    assert (mail["name"], mail["total_failed"], mail["total_retried"]) == ("mail", 1, 2)
    assert 0.05 < mail["total_p50"] < mail["total_p95"] < 0.1
    assert 30 < report["total_p50"] < 60
    assert sum(value is not None for value in mail["p50"]) == 2


def test_the_minute_that_is_not_over_is_there_too(site: Site) -> None:
    counted(site, "mail", Tally(completed=2, took={6: 2}), minutes=2)
    at = int(now().timestamp()) // 60 * 60
    minute = Minute(at, {"mail": Tally(completed=1, took={6: 1}), "new": Tally(failed=1)})
    write_minute(folder_in(site.store.files), minute)
    for _ in range(2):  # it is laid over, and not added
        for span in RANGES:
            plot = site.get(f"/figures?range={span}").json()
            assert plot["all"]["total_completed"] == 3
            assert {one["name"]: one["total_failed"] for one in plot["names"]} == {
                "mail": 0,
                "new": 1,
            }
        metrics = site.client.get("/metrics").text
        assert 'jobctl_attempts_total{name="mail",result="completed"} 3' in metrics
    append(folder_in(site.store.files), minute)
    assert site.get("/figures").json()["all"]["total_completed"] == 3


@pytest.mark.parametrize("query", ["range=month", "range=", "rnage=hour"])
def test_a_range_that_does_not_fit_is_422(site: Site, query: str) -> None:
    assert site.get(f"/figures?{query}").status_code == 422


def test_what_is_too_old_is_let_go(site: Site) -> None:
    figures = Figures(site.store.files)
    counted(site, "mail", Tally(completed=1), minutes=5)
    assert sum(figures.plot("hour", now()).all.completed) == 1
    assert figures.plot("hour", now() + timedelta(hours=2)).names == []
    assert figures.totals()["mail"].completed == 1


def test_the_overview(serve: Callable[..., Site]) -> None:
    site = serve('[redact]\nkeys = ["password"]\n')
    put(site.store, make_job("runs", data={"password": "hunter2"}), make_job("waits", name="x"))
    claim(site.store)
    assert site.post("/pause", {"name": "sleepy"}).status_code == 200
    found = site.get("/overview").json()
    assert found["counts"]["running"] == found["counts"]["pending"] == 1
    assert found["daemon"] is None
    assert (found["oldest"]["id"], found["oldest"]["name"]) == ("waits", "x")
    assert [one["name"] for one in found["paused"]] == ["sleepy"]
    assert [one["data"] for one in found["running"]] == [{"password": "***"}]
    assert found["store"] == str(site.folder / ".jobctl")


def test_pausing_and_resuming(site: Site) -> None:
    def names(answer: httpx.Response) -> list[str | None]:
        assert answer.status_code == 200, answer.text
        return [one["name"] for one in answer.json()["paused"]]

    assert names(site.get("/paused")) == []
    assert names(site.post("/pause", {"name": "b"})) == ["b"]
    assert names(site.post("/pause", {})) == [None, "b"]
    since = site.get("/paused").json()["paused"][1]["since"]
    assert datetime.fromisoformat(since).tzinfo is not None
    assert names(site.post("/resume", {"name": "b"})) == [None]
    assert names(site.post("/pause", {"name": "c"})) == [None, "c"]
    assert names(site.post("/resume")) == []
    for wrong in ({"name": "no name"}, {"name": ""}, {"name": 1}, {"nme": "b"}):
        assert site.post("/pause", wrong).status_code == 422, wrong
    assert site.backend.queue.paused() == []


def test_the_daemon_in_the_overview(site: Site) -> None:
    with site.store.seat():
        mine = site.get("/overview").json()["daemon"]
        assert (mine["state"], mine["concurrency"], mine["troubles"]) == (None, None, {})
        assert mine["since"] is None
        assert mine["pid"] == os.getpid()
        assert mine["moving"] is False  # nobody takes the wake-up
        troubles = {Trouble.RELOAD: "the reload was refused"}
        told = Told(mine["pid"], State.READY, now(), Rules(concurrency=7), troubles)
        write_told(site.store.files, told)
        known = site.get("/overview").json()["daemon"]
        assert (known["state"], known["concurrency"]) == ("ready", 7)
        assert datetime.fromisoformat(known["since"]) == told.since
        assert known["troubles"] == {"reload": "the reload was refused"}
        other = Told(mine["pid"] + 1, State.READY, now(), Rules())
        write_told(site.store.files, other)  # left by another one
        assert site.get("/overview").json()["daemon"]["state"] is None


def test_the_workers_in_the_overview(site: Site) -> None:
    for minutes, job_id in ((1, "young"), (9, "old"), (5, "middle")):
        began = now() - timedelta(minutes=minutes)
        put(site.store, make_job(job_id, created_at=began))
        claim(site.store, now=began)
    works(site, "old", 4711, began)
    works(site, "young", 4712, began)
    works(site, "ended", 4713, began)  # it has not taken its next one yet
    with site.store.seat():
        found = site.get("/overview").json()
        assert [job["id"] for job in found["running"]] == ["old", "middle", "young"]
        assert found["workers"] == {"old": 4711, "young": 4712}
    assert site.get("/overview").json()["workers"] == {}  # they died with their daemon


def test_progress_in_the_overview(site: Site) -> None:
    put(site.store, make_job("runs"))
    claim(site.store)
    reached(site, "runs", {"done": 3, "total": 4}, now())
    [job] = site.get("/overview").json()["running"]
    assert job["progress"] == {"done": 3, "total": 4}


def test_metrics_of_what_was_counted(site: Site) -> None:
    odd = 'a"b\\c\n'
    counted(site, "mail", Tally(completed=3, failed=1, seconds=0.5, took={0: 1, 6: 2}))
    counted(site, odd, Tally(retried=1))
    lines = site.client.get("/metrics").text.splitlines()
    for line in (
        'jobctl_attempts_total{name="mail",result="completed"} 3',
        'jobctl_attempts_total{name="mail",result="failed"} 1',
        'jobctl_attempts_total{name="a\\"b\\\\c\\n",result="retried"} 1',
        'jobctl_job_duration_seconds_bucket{name="mail",le="0.001"} 1',
        'jobctl_job_duration_seconds_bucket{name="mail",le="0.05"} 1',
        'jobctl_job_duration_seconds_bucket{name="mail",le="0.1"} 3',
        'jobctl_job_duration_seconds_bucket{name="mail",le="+Inf"} 3',
        'jobctl_job_duration_seconds_sum{name="mail"} 0.5',
        'jobctl_job_duration_seconds_count{name="mail"} 3',
        "jobctl_daemon_up 0",
        "# TYPE jobctl_job_duration_seconds histogram",
    ):
        assert line in lines
    counted(site, "mail", Tally(completed=1, took={0: 1}))
    again = site.client.get("/metrics").text
    assert 'jobctl_attempts_total{name="mail",result="completed"} 4' in again


def test_handlers(site: Site) -> None:
    assert site.get("/handlers").json() == {"handlers": {}}
    file = site.store.files / "handlers.json"
    file.write_text('{"handlers": {"mail": {"options": {"timeout": 5}}}, "schedules": []}')
    assert site.get("/handlers").json()["handlers"] == {"mail": {"options": {"timeout": 5}}}
    file.write_text("{")
    assert site.get("/handlers").json() == {"handlers": {}}
