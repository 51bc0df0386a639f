"""The web application's example: a request adds a job to a real store."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from examples import fastapi_app
from jobctl import Queue


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A store of the test's own, for the application and for the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JOBCTL_STORE", str(tmp_path / "store"))
    fastapi_app.queue.cache_clear()
    yield
    fastapi_app.queue().close()
    fastapi_app.queue.cache_clear()


def post(content: dict[str, str]) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=fastapi_app.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
            return await client.post("/api/action", json=content)

    return asyncio.run(ask())


def test_a_request_adds_a_job() -> None:
    answer = post({"user_id": "7", "action": "signed up"})
    assert answer.status_code == 202
    assert answer.json()["message"] == "Job queued"
    with Queue() as queue:
        job = queue.get(answer.json()["job_id"])
    assert job is not None
    assert job.name == "record-action"
    assert job.data == {"user_id": "7", "action": "signed up"}
    assert (job.priority, job.max_retries) == (5, 3)


def test_a_request_that_does_not_fit_adds_nothing() -> None:
    assert post({"user_id": "7"}).status_code == 422
    with Queue() as queue:
        assert queue.stats().total == 0
