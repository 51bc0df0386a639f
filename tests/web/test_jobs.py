"""The jobs over HTTP, as the contract has them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobctl.core.job import RECORD_FIELDS, Outcome
from tests.helpers import claim, end, make_job, put, there
from tests.web.conftest import Site

NOW = datetime.now(UTC)


def finished(site: Site, job_id: str, outcome: Outcome, *, age: float = 0) -> None:
    """Put a job into the store that has run and ended so many seconds ago."""
    at = NOW - timedelta(seconds=age)
    put(site.store, make_job(job_id, max_retries=0))
    [job] = claim(site.store, now=at)
    from jobctl.core.job import Options

    end(site.store, job, outcome, at=at, options=Options(max_retries=0))


def test_add(site: Site) -> None:
    answer = site.post("/jobs", {"name": "mail", "data": {"to": "a@b.c"}, "priority": 5})
    assert answer.status_code == 201
    job = answer.json()
    assert list(job) == list(RECORD_FIELDS)
    assert answer.headers["Location"] == f"/api/admin/jobs/{job['id']}"
    assert site.client.get(answer.headers["Location"]).json() == job
    assert (job["status"], job["priority"], job["data"]) == ("pending", 5, {"to": "a@b.c"})
    assert there(site.store, job["id"]).name == "mail"


def test_an_id_that_is_taken_is_kept(site: Site) -> None:
    first = site.post("/jobs", {"name": "mail", "id": "one", "data": 1})
    again = site.post("/jobs", {"name": "other", "job_id": "one"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert again.headers["Location"] == "/api/admin/jobs/one"
    refused = site.post("/jobs", {"name": "other", "id": "one", "if_exists": "error"})
    assert refused.status_code == 409
    replaced = site.post("/jobs", {"name": "other", "id": "one", "if_exists": "replace"})
    assert (replaced.status_code, replaced.json()["name"]) == (201, "other")


def test_all_options_arrive(site: Site) -> None:
    put(site.store, make_job("before"))
    job = site.post(
        "/jobs",
        {
            "name": "mail",
            "max_retries": 0,
            "delay": "5m",
            "timeout": 30,
            "backoff": {"base": "2s", "cap": "1h", "jitter": 0},
            "tags": ["a", "b"],
            "concurrency_key": "k",
            "after": "before",
        },
    ).json()
    assert (job["max_retries"], job["timeout"], job["tags"]) == (0, 30.0, ["a", "b"])
    assert (job["concurrency_key"], job["after"]) == ("k", ["before"])
    assert job["backoff"] == {"base": 2.0, "cap": 3600.0, "jitter": 0.0, "delays": []}
    assert datetime.fromisoformat(job["run_at"]) > NOW + timedelta(minutes=4)
    late = site.post("/jobs", {"name": "x", "scheduled_for": "2030-01-01T01:00:00+01:00"})
    assert late.json()["run_at"] == "2030-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "name is missing"),
        ({"name": "a b"}, "name 'a b' is refused"),
        ({"name": "../../etc/passwd"}, "is refused"),
        ({"name": "x", "id": "stats"}, "is the name of a command"),
        ({"name": "x", "id": "a/../b"}, "is refused"),
        ({"name": "x", "priority": 2**31}, "priority"),
        ({"name": "x", "priority": "5"}, "priority"),
        ({"name": "x", "priority": 1.5}, "priority"),
        ({"name": "x", "max_retries": -1}, "max_retries"),
        ({"name": "x", "delay": "soon"}, "delay 'soon' is refused"),
        ({"name": "x", "delay": 1, "run_at": "2030-01-01T00:00:00Z"}, "give one of them"),
        ({"name": "x", "run_at": "2030-01-01T00:00:00"}, "has no time zone"),
        ({"name": "x", "if_exists": "maybe"}, "if_exists"),
        ({"name": "x", "tags": ["a\x1bb"]}, "tags[0]"),
        ({"name": "x", "cwd": "/"}, "give `shell` too"),
        ({"name": "x", "proirity": 1}, "did you mean priority?"),
        ([], "expected `object`, got `array`"),
        ("x", "expected `object`, got `str`"),
    ],
)
def test_what_does_not_fit_is_422_and_nothing_is_written(
    still: Site, body: Any, words: str
) -> None:
    answer = still.post("/jobs", body)
    assert answer.status_code == 422
    assert words in answer.json()["detail"]
    assert still.store.list() == []


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"{'name': 'x'}",
        b'{"name": "x", "name": "y"}',
        b'{"name": "x", "data": NaN}',
        b'{"name": "x", "data": 1e999}',
        b'{"name": "x", "data": 123456789012345678901234567890}',
        b'{"name": "x", "data": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"name": "x", "data": "\\ud800"}',
        b'{"name": "\xff"}',
        b"\x00",
    ],
)
def test_bad_json_is_400(still: Site, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = still.client.post("/api/admin/jobs", content=body, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (
        400,
        "application/problem+json",
    )
    assert still.store.list() == []


def test_data_may_be_any_json_value(site: Site) -> None:
    for value in (None, 0, "", [], [None], {"a": {"b": [1.5, True]}}, 2**64 - 1, "\u202e\x00"):
        job = site.post("/jobs", {"name": "x", "data": value}).json()
        assert job["data"] == ({} if value is None else value)
        assert site.get(f"/jobs/{job['id']}").json()["data"] == job["data"]


def test_list(site: Site) -> None:
    for n in range(7):
        put(site.store, make_job(f"j{n}", name="even" if n % 2 == 0 else "odd"))
    claim(site.store, limit=1)
    page = site.get("/jobs").json()
    assert list(page) == ["jobs", "limit", "offset", "next"]
    assert [job["id"] for job in page["jobs"]] == [f"j{n}" for n in range(6, -1, -1)]
    assert (page["limit"], page["offset"], page["next"]) == (50, 0, None)
    assert list(page["jobs"][0]) == list(RECORD_FIELDS)

    def ids(**query: Any) -> list[str]:
        return [job["id"] for job in site.get("/jobs", params=query).json()["jobs"]]

    assert ids(status="running") == ["j0"]
    assert ids(name="even") == ["j6", "j4", "j2", "j0"]
    assert ids(name="even", status="pending", limit=2) == ["j6", "j4"]
    assert ids(limit=2, offset=5) == ["j1", "j0"]
    assert ids(name="nobody") == []
    assert ids(filter="status:running") == ["j0"]
    assert ids(filter="name:odd status:pending") == ["j5", "j3", "j1"]
    assert ids(filter="name:e* status:running,failed") == ["j0"]
    assert ids(filter="id:j1,j3", name="odd", status="pending") == ["j3", "j1"]
    assert ids(name="o*", status="pending,running", limit=1) == ["j5"]


def test_the_cursor_leads_through_all(site: Site) -> None:
    put(site.store, *(make_job(f"j{n:02}") for n in range(23)))
    seen: list[str] = []
    cursor: str | None = None
    for n in range(5):
        put(site.store, make_job(f"later{n}"))  # what comes in on top moves nothing
        query = {"limit": "5"} | ({"cursor": cursor} if cursor else {})
        page = site.get("/jobs", params=query).json()
        seen += [job["id"] for job in page["jobs"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == ["later0"] + [f"j{n:02}" for n in range(22, -1, -1)]


def test_a_page_looks_at_some_jobs_only_and_says_where_to_look_on(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobctl.stores.directory.choosing.FEW", 4)
    put(site.store, *(make_job(f"j{n:02}", data={"n": n % 6}) for n in range(20)))
    seen: list[list[str]] = []
    query = {"filter": "data.n:0"}
    while True:
        page = site.get("/jobs", params=query).json()
        seen.append([job["id"] for job in page["jobs"]])
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    assert seen == [["j18"], ["j12"], [], ["j06"], ["j00"], []]
    # Who skips some counts those that match: they are looked for to the end.
    rest = site.get("/jobs", params={"filter": "data.n:0", "offset": 3}).json()
    assert ([job["id"] for job in rest["jobs"]], rest["next"]) == (["j00"], None)


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=1001", "limit=x", "limit=", "offset=-1",
        "offset=99999999999999999999", "status=deade", "status=", "filter=x:1",
        "filter=status:", "cursor=x", "cursor=-1", "cursor=9999999999999999999",
        "stauts=failed", "status=failed&status=pending",
    ],
)  # fmt: skip
def test_a_query_that_does_not_fit_is_422(still: Site, query: str) -> None:
    answer = still.get(f"/jobs?{query}")
    assert answer.status_code == 422, answer.text
    assert answer.json()["status"] == 422


def test_stats(site: Site) -> None:
    put(site.store, make_job("a"), make_job("b"))
    claim(site.store)
    assert site.get("/jobs/stats").json() == {
        "pending": 1,
        "running": 1,
        "completed": 0,
        "failed": 0,
        "cancelled": 0,
        "total": 2,
    }


def test_retry_cancel_delete(site: Site) -> None:
    finished(site, "dead", Outcome.ERROR)
    retried = site.post("/jobs/dead/retry")
    assert (retried.status_code, retried.json()["status"]) == (200, "pending")
    assert retried.json()["attempts"] == 0
    assert len(retried.json()["history"]) == 1
    assert site.post("/jobs/dead/retry").status_code == 409
    cancelled = site.post("/jobs/dead/cancel", {})
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    refused = site.post("/jobs/dead/cancel")
    assert refused.status_code == 409
    assert refused.json() == {
        "type": "about:blank",
        "title": "Conflict",
        "status": 409,
        "detail": "job dead is cancelled: only a pending or running job can be cancelled",
    }
    gone = site.client.delete("/api/admin/jobs/dead")
    assert (gone.status_code, gone.content) == (204, b"")
    assert site.client.delete("/api/admin/jobs/dead").status_code == 404
    assert site.store.list() == []


def test_a_running_job_is_asked_to_end_and_not_deleted(site: Site) -> None:
    put(site.store, make_job("busy"))
    claim(site.store)
    assert site.client.delete("/api/admin/jobs/busy").status_code == 409
    answer = site.post("/jobs/busy/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "running")
    assert there(site.store, "busy").cancelling


def test_whom_a_job_waits_for_must_be_there(site: Site) -> None:
    answer = site.post("/jobs", {"name": "x", "after": ["nobody"]})
    assert answer.status_code == 404
    assert "nobody" in answer.json()["detail"]
    assert site.store.list() == []


@pytest.mark.parametrize("verb", ["retry", "cancel"])
def test_an_unknown_job_is_404(still: Site, verb: str) -> None:
    for answer in (still.get("/jobs/nobody"), still.post(f"/jobs/nobody/{verb}")):
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
        assert "nobody" in answer.json()["detail"]


def test_only_a_whole_id_names_a_job(site: Site) -> None:
    put(site.store, make_job("abcdef"))
    assert site.get("/jobs/abc").status_code == 404


def test_ids_of_ticks_and_odd_ones(site: Site) -> None:
    for job_id in ("nightly@2026-11-24T03:00:00Z", "a.b", "x--", "Z"):
        put(site.store, make_job(job_id))
        assert site.get(f"/jobs/{job_id}").json()["id"] == job_id


def test_cleanup(site: Site) -> None:
    finished(site, "old", Outcome.COMPLETED, age=3600)
    finished(site, "young", Outcome.ERROR, age=60)
    dry = site.post("/jobs/cleanup", {"older_than": "30m", "dry_run": True}).json()
    assert (dry["matched"], [job["id"] for job in dry["jobs"]]) == (1, ["old"])
    assert site.post("/jobs/cleanup", {"older_than": "30m"}).json() == {"deleted": 1}
    before = (NOW + timedelta(seconds=1)).isoformat()
    assert site.post("/jobs/cleanup", {"before": before}).json() == {"deleted": 1}
    assert site.post("/jobs/cleanup").json() == {"deleted": 0}
    assert site.store.list() == []


@pytest.mark.parametrize(
    "body",
    [
        {"older_than": "7d", "before": "2026-01-01T00:00:00Z"},
        {"older_than": "x"},
        {"older_than": True},
        {"older_than": -1},
        {"before": "2026-01-01"},
        {"before": "yesterday"},
        {"dry_run": 1},
        {"dryrun": True},
    ],
)
def test_a_cleanup_that_does_not_fit_deletes_nothing(site: Site, body: Any) -> None:
    finished(site, "old", Outcome.COMPLETED, age=10**9)
    assert site.post("/jobs/cleanup", body).status_code == 422
    assert len(site.store.list()) == 1


def test_why_a_job_does_not_run(site: Site) -> None:
    put(site.store, make_job("waits"))
    found = site.get("/jobs/waits/explain").json()
    assert (found["id"], found["status"]) == ("waits", "pending")
    assert "No daemon runs" in found["reasons"][0]["message"]
    assert found["next"][0]["command"].startswith("jobctl run")
    assert site.get("/jobs/nobody/explain").status_code == 404


def test_bulk(site: Site) -> None:
    for n in range(3):
        finished(site, f"f{n}", Outcome.ERROR)
    finished(site, "good", Outcome.COMPLETED)
    put(site.store, make_job("waits"))
    dry = site.post(
        "/jobs/bulk", {"action": "retry", "filter": "status:failed", "dry_run": True}
    ).json()
    assert (dry["matched"], len(dry["jobs"])) == (3, 3)
    assert site.store.stats().failed == 3
    done = site.post("/jobs/bulk", {"action": "retry", "filter": "status:failed"})
    assert (done.status_code, done.json()) == (200, {"matched": 3, "changed": 3, "skipped": 0})
    assert site.store.stats().pending == 4
    mixed = site.post("/jobs/bulk", {"action": "cancel", "filter": "id:f0,good,nobody"}).json()
    assert mixed == {"matched": 1, "changed": 1, "skipped": 0}  # one can be cancelled
    old = site.post("/jobs/bulk", {"action": "cancel", "filter": "age>1h name:wor*"}).json()
    assert old == {"matched": 3, "changed": 3, "skipped": 0}
    site.post("/jobs/bulk", {"action": "delete", "filter": "name:work"})
    assert site.store.stats().total == 0


@pytest.mark.parametrize(
    "body",
    [
        {"action": "delete"},
        {"action": "delete", "filter": ""},
        {"action": "delete", "filter": "  "},
        {"action": "explode", "filter": "status:failed"},
        {"action": "delete", "filter": "status:failed", "dryrun": True},
        {"filter": "status:failed"},
        {},
    ],
)
def test_a_bulk_that_does_not_fit_changes_nothing(site: Site, body: Any) -> None:
    finished(site, "f", Outcome.ERROR)
    assert site.post("/jobs/bulk", body).status_code == 422
    assert site.store.stats().failed == 1


def test_shell_jobs_are_refused_unless_they_are_allowed(serve: Callable[..., Site]) -> None:
    site = serve("[dashboard]\nallow_shell = false\n")
    answer = site.post("/jobs", {"shell": ["true"]})
    assert answer.status_code == 403
    assert "allow_shell" in answer.json()["detail"]
    assert site.store.list() == []


def test_shell_jobs_where_they_are_allowed(serve: Callable[..., Site]) -> None:
    site = serve("[dashboard]\nallow_shell = true\n")
    job = site.post("/jobs", {"shell": ["echo", "hi"], "env": {"A": "b"}, "priority": 2}).json()
    assert (job["name"], job["priority"], job["shell"]["argv"]) == ("echo", 2, ["echo", "hi"])
    assert job["shell"]["env"]["A"] == "b"
    assert job["shell"]["cwd"] == str(site.folder)
    assert site.post("/jobs", {"shell": []}).status_code == 422


def test_secrets_are_hidden(serve: Callable[..., Site]) -> None:
    site = serve('[redact]\nkeys = ["password"]\n')
    added = site.post("/jobs", {"name": "x", "id": "s", "data": {"password": "hunter2"}})
    answers = [
        added,
        site.get("/jobs/s"),
        site.get("/jobs"),
        site.post("/jobs/bulk", {"action": "cancel", "filter": "name:x", "dry_run": True}),
        site.post("/jobs/s/cancel"),
        site.post("/jobs/s/retry"),
    ]
    for answer in answers:
        assert answer.is_success
        assert "hunter2" not in answer.text
        assert '"***"' in answer.text
