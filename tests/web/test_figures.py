"""The overview over HTTP: figures of the last hour, day and week, and metrics of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from jobctl.services.figures import Tally, append, folder_in
from jobctl.services.telling import Rules, State, Told, Trouble, write_told
from jobctl.web.plots import RANGES, Figures
from tests.helpers import claim, make_job, put
from tests.web.conftest import Site

NOW = datetime.now(UTC)


def write(site: Site, name: str, tally: Tally, **ago: float) -> None:
    """Write a line as a daemon would have so long ago."""
    append(folder_in(site.store.files), NOW - timedelta(**ago), {name: tally})


def test_figures(site: Site) -> None:
    empty = site.get("/figures").json()
    assert (empty["range"], empty["step"], empty["names"]) == ("hour", 60, [])
    assert empty["all"]["completed"] == [0] * 60
    assert empty["all"]["total_p50"] is None
    write(site, "mail", Tally(completed=10, failed=1, seconds=2, took={6: 10}), minutes=5)
    write(site, "mail", Tally(completed=4, retried=2, seconds=1, took={6: 4}), hours=5)
    write(site, "report", Tally(completed=1, seconds=60, took={14: 1}), days=5)
    for span, totals in (("hour", [10]), ("day", [14]), ("week", [14, 1])):
        plot = site.get(f"/figures?range={span}").json()
        step, count = RANGES[span]
        assert (plot["step"], len(plot["all"]["completed"])) == (step, count)
        assert [one["total_completed"] for one in plot["names"]] == totals
        assert sum(plot["all"]["completed"]) == sum(totals)
        end = datetime.fromisoformat(plot["start"]) + timedelta(seconds=step * count)
        assert timedelta(0) <= end - NOW < timedelta(seconds=step + 60)
    mail, report = site.get("/figures?range=week").json()["names"]
    assert (mail["name"], mail["total_failed"], mail["total_retried"]) == ("mail", 1, 2)
    assert 0.05 < mail["total_p50"] < mail["total_p95"] < 0.1
    assert 30 < report["total_p50"] < 60
    assert sum(value is not None for value in mail["p50"]) == 2


@pytest.mark.parametrize("query", ["range=month", "range=", "rnage=hour"])
def test_a_range_that_does_not_fit_is_422(site: Site, query: str) -> None:
    assert site.get(f"/figures?{query}").status_code == 422


def test_what_is_too_old_is_let_go(site: Site) -> None:
    figures = Figures(site.store.files)
    write(site, "mail", Tally(completed=1), minutes=5)
    assert sum(figures.plot("hour", NOW).all.completed) == 1
    assert figures.plot("hour", NOW + timedelta(hours=2)).names == []
    assert figures.totals()["mail"].completed == 1


def test_the_overview(serve: Callable[..., Site]) -> None:
    site = serve('[redact]\nkeys = ["password"]\n')
    put(site.store, make_job("runs", data={"password": "hunter2"}), make_job("waits", name="x"))
    claim(site.store)
    site.backend.queue.pause("sleepy")
    found = site.get("/overview").json()
    assert found["counts"]["running"] == found["counts"]["pending"] == 1
    assert found["daemon"] is None
    assert (found["oldest"]["id"], found["oldest"]["name"]) == ("waits", "x")
    assert [one["name"] for one in found["paused"]] == ["sleepy"]
    assert [one["data"] for one in found["running"]] == [{"password": "***"}]
    assert found["store"] == str(site.folder / ".jobctl")


def test_the_daemon_in_the_overview(site: Site) -> None:
    with site.store.seat():
        mine = site.get("/overview").json()["daemon"]
        assert (mine["state"], mine["concurrency"], mine["troubles"]) == (None, None, {})
        assert mine["moving"] is False  # nobody takes the wake-up
        troubles = {Trouble.RELOAD: "the reload was refused"}
        told = Told(mine["pid"], State.READY, NOW, Rules(concurrency=7), troubles)
        write_told(site.store.files, told)
        known = site.get("/overview").json()["daemon"]
        assert (known["state"], known["concurrency"]) == ("ready", 7)
        assert known["troubles"] == {"reload": "the reload was refused"}
        other = Told(mine["pid"] + 1, State.READY, NOW, Rules())
        write_told(site.store.files, other)  # left by another one
        assert site.get("/overview").json()["daemon"]["state"] is None


def test_metrics_of_what_was_counted(site: Site) -> None:
    odd = 'a"b\\c\n'
    write(site, "mail", Tally(completed=3, failed=1, seconds=0.5, took={0: 1, 6: 2}))
    write(site, odd, Tally(retried=1))
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
    write(site, "mail", Tally(completed=1, took={0: 1}))
    again = site.client.get("/metrics").text
    assert 'jobctl_attempts_total{name="mail",result="completed"} 4' in again


def test_handlers(site: Site) -> None:
    assert site.get("/handlers").json() == {"handlers": {}}
    file = site.store.files / "handlers.json"
    file.write_text('{"handlers": {"mail": {"options": {"timeout": 5}}}, "schedules": []}')
    assert site.get("/handlers").json()["handlers"] == {"mail": {"options": {"timeout": 5}}}
    file.write_text("{")
    assert site.get("/handlers").json() == {"handlers": {}}
