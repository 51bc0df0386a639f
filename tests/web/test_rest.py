"""The other routes: schedules, logs, the stream of events, figures, errors of the store."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from jobctl.errors import StoreUnwritable
from jobctl.services.logfile import path_of
from jobctl.web import events
from tests.helpers import claim, eventually, make_job, put
from tests.web.conftest import Site

SCHEDULES = """
[schedules.nightly]
cron = "30 2 * * *"
timezone = "America/New_York"
job = "clean"
data = { days = 7, password = "hunter2" }

[schedules.beat]
every = "90s"
job = "ping"
enabled = false

[redact]
keys = ["password"]
"""


@pytest.fixture
def scheduled(serve: Callable[..., Site]) -> Site:
    """A server with two schedules."""
    return serve(SCHEDULES)


# -- schedules -------------------------------------------------------------------------


def test_schedules(scheduled: Site) -> None:
    found = scheduled.get("/schedules").json()
    assert list(found) == ["schedules"]
    beat, nightly = found["schedules"]
    assert (beat["name"], beat["every"], beat["enabled"]) == ("beat", 90, False)
    assert (nightly["cron"], nightly["run_count"]) == ("30 2 * * *", 0)
    assert nightly["data"] == {"days": 7, "password": "***"}
    assert nightly["source"].endswith("jobs.toml:2")
    assert scheduled.get("/schedules/nightly").json() == nightly


def test_the_switch(scheduled: Site) -> None:
    on = scheduled.post("/schedules/beat/enable")
    assert (on.status_code, on.json()["enabled"]) == (200, True)
    assert scheduled.get("/schedules/beat").json()["next_run"] is not None
    off = scheduled.post("/schedules/beat/disable")
    assert (off.status_code, off.json()["enabled"], off.json()["next_run"]) == (
        200,
        False,
        None,
    )


def test_trigger_works_while_it_is_off(scheduled: Site) -> None:
    answer = scheduled.post("/schedules/beat/trigger")
    assert answer.status_code == 202
    assert list(answer.json()) == ["job_id"]
    job = scheduled.get(f"/jobs/{answer.json()['job_id']}").json()
    assert (job["name"], job["schedule"], job["status"]) == ("ping", "beat", "pending")
    assert scheduled.get("/schedules/beat").json()["run_count"] == 1


def test_its_ticks(scheduled: Site) -> None:
    ticks = scheduled.get("/schedules/nightly/next?limit=3").json()["ticks"]
    assert len(ticks) == 3
    assert list(ticks[0]) == ["schedule", "at", "local", "note"]
    assert scheduled.get("/schedules/nightly/history").json() == {"ticks": []}
    assert scheduled.get("/schedules/nightly/next?limit=0").status_code == 422
    assert scheduled.get("/schedules/nightly/next?limit=1001").status_code == 422


@pytest.mark.parametrize("verb", ["trigger", "enable", "disable"])
def test_an_unknown_schedule_is_404(scheduled: Site, verb: str) -> None:
    answers = [
        scheduled.post(f"/schedules/nighty/{verb}"),
        *(scheduled.get(f"/schedules/nighty{rest}") for rest in ("", "/next", "/history")),
    ]
    for answer in answers:
        assert answer.status_code == 404
        assert "did you mean nightly?" in answer.json()["detail"]


def test_an_edited_file_is_noticed_and_a_broken_one_changes_nothing(
    scheduled: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobctl.web.backend.LOOK", 0.0)
    file = scheduled.folder / "jobs.toml"

    def names() -> list[str]:
        return [one["name"] for one in scheduled.get("/schedules").json()["schedules"]]

    file.write_text(SCHEDULES + "\n[schedules.new]\nevery = 5\njob = 'x'\n")
    assert names() == ["beat", "new", "nightly"]
    file.write_text(SCHEDULES + "\n[schedules.new]\nevery = 'never'\njob = 'x'\nz = 1\n")
    assert names() == ["beat", "new", "nightly"]
    file.write_text(SCHEDULES)
    assert names() == ["beat", "nightly"]


# -- logs ------------------------------------------------------------------------------


@pytest.fixture
def logged(site: Site) -> Site:
    """A server with a job that has written something."""
    put(site.store, make_job("talks"), make_job("silent"))
    path = path_of(site.store.files, "talks")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes("0123456789<b>ä</b> \x1b[31m\n".encode())
    return site


def log(site: Site, job_id: str = "talks", part: str | None = None) -> httpx.Response:
    """Ask for a log."""
    headers = {} if part is None else {"Range": part}
    return site.get(f"/jobs/{job_id}/log", headers=headers)


def test_a_log(logged: Site) -> None:
    answer = log(logged)
    assert (answer.status_code, answer.text) == (200, "0123456789<b>ä</b> \x1b[31m\n")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["accept-ranges"] == "bytes"
    assert (log(logged, "silent").status_code, log(logged, "silent").content) == (200, b"")
    assert log(logged, "nobody").status_code == 404


@pytest.mark.parametrize(
    ("part", "content", "said"),
    [
        ("bytes=0-3", b"0123", "bytes 0-3/26"),
        ("bytes=4-", b"456789<b>\xc3\xa4</b> \x1b[31m\n", "bytes 4-25/26"),
        ("bytes=-2", b"m\n", "bytes 24-25/26"),
        ("bytes=20-9999", b" \x1b[31m\n"[-6:], "bytes 20-25/26"),
        ("bytes=-9999", None, "bytes 0-25/26"),
    ],
)
def test_a_part_of_a_log(logged: Site, part: str, content: bytes | None, said: str) -> None:
    answer = log(logged, part=part)
    assert (answer.status_code, answer.headers["content-range"]) == (206, said)
    assert answer.content == (log(logged).content if content is None else content)


@pytest.mark.parametrize("part", ["bytes=26-", "bytes=99-100", "bytes=-0"])
def test_what_a_log_does_not_have_is_416(logged: Site, part: str) -> None:
    answer = log(logged, part=part)
    assert (answer.status_code, answer.headers["content-range"]) == (416, "bytes */26")


@pytest.mark.parametrize(
    "part",
    ["bytes=x-", "lines=0-1", "bytes=5-2", "bytes=0-1,3-4", "bytes=-", f"bytes={10**30}-"],
)
def test_what_is_no_range_is_passed_over(logged: Site, part: str) -> None:
    assert log(logged, part=part).status_code == 200


# -- events ----------------------------------------------------------------------------


class Listener:
    """Reads events of a stream."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.iter_lines()

    def lines(self) -> Iterator[str]:
        """Yield what comes."""
        yield from self._lines

    def next(self) -> tuple[str, Any]:
        """Return the name and the data of the next event."""
        name = ""
        for line in self._lines:
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: "):
                return name, json.loads(line[6:])
        raise AssertionError("the stream has ended")


def test_events(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "IDS", 2)
    put(site.store, make_job("early"))
    with site.client.stream("GET", "/api/admin/events", timeout=10) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        listener = Listener(answer)
        assert listener.next() == ("counts", site.store.stats().as_dict())
        assert listener.next() == ("jobs", {"ids": None})
        put(site.store, make_job("a"), make_job("b"))
        assert listener.next()[1]["pending"] == 3
        assert listener.next() == ("jobs", {"ids": ["a", "b"]})
        claim(site.store)
        assert listener.next()[1]["running"] == 1
        assert listener.next() == ("jobs", {"ids": ["early"]})
        put(site.store, *(make_job(f"more{n}") for n in range(3)))
        assert listener.next()[1]["pending"] == 5
        assert listener.next() == ("jobs", {"ids": None})


def test_a_silent_stream_gives_signs_of_life(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "HEARTBEAT", 0.0)
    monkeypatch.setattr(events, "LOOK", 0.01)
    with site.client.stream("GET", "/api/admin/events", timeout=10) as answer:
        assert ": still here" in Listener(answer).lines()


def test_a_stream_ends_with_the_server(site: Site) -> None:
    with site.client.stream("GET", "/api/admin/events", timeout=10) as answer:
        listener = Listener(answer)
        assert [listener.next()[0], listener.next()[0]] == ["counts", "jobs"]
        site.stop()
        assert list(listener.lines()) == [""]


def test_a_stream_that_nobody_reads_is_given_up(site: Site) -> None:
    with site.client.stream("GET", "/api/admin/events", timeout=10):
        eventually(lambda: site.backend.streams == 1)
    eventually(lambda: site.backend.streams == 0)


def test_there_are_not_too_many_streams(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MOST", 1)
    with site.client.stream("GET", "/api/admin/events", timeout=10) as answer:
        listener = Listener(answer)  # which ends the stream as it goes
        listener.next()
        assert site.get("/events").status_code == 429


# -- the store refuses -----------------------------------------------------------------


def refuse(*args: object, **options: object) -> object:
    """Fail as a store does whose disk has gone."""
    raise StoreUnwritable("/srv/x: Input/output error; check the disk")


def test_a_store_that_cannot_be_used_is_503(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(site.store, make_job("a"))
    for name in ("get", "select", "stats", "transaction", "oldest_due", "notes"):
        monkeypatch.setattr(site.store, name, refuse)
    answers = [
        site.get("/jobs"),
        site.get("/jobs/a"),
        site.get("/jobs/a/log"),
        site.get("/jobs/stats"),
        site.get("/schedules"),
        site.post("/jobs", {"name": "x"}),
        site.post("/jobs/a/retry"),
        site.client.get("/healthz"),
        site.client.get("/metrics"),
    ]
    for answer in answers:
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert "check the disk" in answer.json()["detail"]
    with site.client.stream("GET", "/api/admin/events", timeout=10) as stream:
        name, data = Listener(stream).next()
        assert (name, data["status"]) == ("problem", 503)


def test_a_bug_is_500_and_told_on_standard_error(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*args: object) -> object:
        raise ZeroDivisionError("\x1b[31mred")

    monkeypatch.setattr(site.store, "stats", fail)
    answer = site.get("/jobs/stats")
    assert answer.status_code == 500
    assert "red" not in answer.text
    assert "ZeroDivisionError: \\x1b[31mred" in capsys.readouterr().err


# -- what monitors ask -----------------------------------------------------------------


def test_healthz_has_no_job_in_it(site: Site) -> None:
    put(site.store, make_job("secret"))
    assert httpx.get(f"{site.url}/healthz").json() == {"status": "ok"}


def test_metrics(site: Site) -> None:
    put(site.store, make_job("a"), make_job("b"))
    claim(site.store)
    answer = site.client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    lines = answer.text.splitlines()
    assert 'jobctl_jobs{status="pending"} 1' in lines
    assert 'jobctl_jobs{status="running"} 1' in lines
    for line in lines:
        words = line.split()
        assert (words[2] if line.startswith("#") else line).startswith("jobctl_")


def test_unknown_methods_and_paths(site: Site) -> None:
    assert site.client.put("/api/admin/jobs", json={}).status_code == 405
    for path in ("/x", "/api", "/api/admin", "/api/admin/jobs/a/b", "/admin.php"):
        answer = site.client.get(path)
        assert answer.status_code == 404, path
        assert answer.json()["title"] == "Not Found"


def test_the_document_describes_every_route(site: Site, tmp_path: Path) -> None:
    document = site.client.get("/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    seed = {
        ("get", "/api/admin/jobs"), ("get", "/api/admin/jobs/stats"),
        ("get", "/api/admin/jobs/{job_id}"), ("post", "/api/admin/jobs/{job_id}/retry"),
        ("delete", "/api/admin/jobs/{job_id}"), ("post", "/api/admin/jobs/cleanup"),
        ("get", "/api/admin/schedules"), ("get", "/api/admin/schedules/{name}"),
        ("post", "/api/admin/schedules/{name}/trigger"),
        ("post", "/api/admin/schedules/{name}/enable"),
        ("post", "/api/admin/schedules/{name}/disable"),
    }  # fmt: skip
    found = {(method, path) for path, item in document["paths"].items() for method in item}
    assert seed < found
    for path, item in document["paths"].items():
        for method, operation in item.items():
            responses = operation["responses"]
            assert {"421", "503"} < set(responses), path
            assert ("401" in responses) == (path != "/healthz")
            if method != "get":
                assert {"400", "403", "413", "415"} < set(responses)
            for status, answer in responses.items():
                if int(status) >= 400:
                    assert list(answer["content"]) == ["application/problem+json"]
