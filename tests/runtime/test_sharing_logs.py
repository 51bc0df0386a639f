"""What async jobs that share a worker print, log and tell: each its own."""

from __future__ import annotations

from typing import Any

import pytest

from jobctl.core.job import Job, Outcome
from tests.helpers import eventually
from tests.runtime.conftest import MakeRig
from tests.runtime.rig import Rig

HANDLERS = """
import asyncio, logging, os, sys
from pathlib import Path
from jobctl import handler

HERE = Path(__file__).parent

async def gone(name):
    while not (HERE / name).exists():
        await asyncio.sleep(0.005)

@handler
async def talk(job):
    for n in range(20):
        print(f"{job.id} says {n}")
        await asyncio.sleep(0.001)
        logging.getLogger("app").warning("%s warns %d", job.id, n)
        await asyncio.to_thread(print, f"{job.id} in a thread", file=sys.stderr)
        job.log(f"{job.id} logs {n}")
    return os.getpid()

@handler
async def tell(job):
    job.progress(job.data, 9, "so far")
    os.write(1, b"from nobody knows whom\\n")
    print(f"{job.id} has begun")
    (HERE / f"began-{job.id}").touch()
    await gone(f"go-{job.id}")
    if job.data == 1:
        raise ValueError("no")
    if job.data == 2:
        os._exit(3)
    await gone("never")

@handler
async def watch(job):
    (HERE / f"began-{job.id}").touch()
    while True:  # until the exception comes, however early the cancel can be seen
        try:
            await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            (HERE / f"seen-{job.id}").write_text(str(job.cancelled))
            raise

@handler
async def hold(job):
    print("holds on")
    (HERE / f"began-{job.id}").touch()
    while True:
        try:
            await asyncio.sleep(60)
        except BaseException:
            pass

@handler
def plain(job):
    print("plain", job.id)
    return os.getpid()
"""
CONFIG = """
[run]
handlers = ["handlers"]
concurrency = 4
async_concurrency = 4
kill_after = "300ms"
max_retries = 0
backoff = { base = "10ms", jitter = 0.0 }
"""


@pytest.fixture
def rig(make_rig: MakeRig) -> Rig:
    return make_rig(HANDLERS, CONFIG)


def log(rig: Rig, job_id: str) -> list[str]:
    path = rig.folder / f".jobctl/logs/{job_id}.log"
    return path.read_text().splitlines() if path.exists() else []


def begin(rig: Rig, *data: int) -> list[str]:
    ids = rig.queue.add_many([("tell", n) for n in data])
    for job_id in ids:
        eventually((rig.folder / f"began-{job_id}").exists)
    return ids


def release(rig: Rig, job_id: str) -> None:
    (rig.folder / f"go-{job_id}").touch()


def recovered(rig: Rig, job_id: str) -> None:
    eventually(lambda: len(job(rig, job_id).history) == 1)


def job(rig: Rig, job_id: str) -> Job[Any]:
    found = rig.queue.get(job_id)
    assert found is not None
    return found


def test_each_writes_into_its_own_log_alone(rig: Rig) -> None:
    ids = [rig.queue.add("talk") for _ in range(4)]
    rig.start()
    jobs = rig.queue.wait(ids, 20)
    assert len({one.result for one in jobs}) == 1  # they did share a worker
    for one in jobs:
        lines = log(rig, one.id)
        assert lines[0].startswith("--- attempt 1 at ")
        assert len(lines) == 81
        assert all(f" {one.id} " in line for line in lines[1:])
        assert sum(f" warning app: {one.id} warns" in line for line in lines) == 20
    [after] = rig.queue.wait(rig.queue.add("plain"), 10)
    assert [line.split(" ", 2)[2] for line in log(rig, after.id)[1:]] == [f"plain {after.id}"]


def test_each_tells_its_own_progress(rig: Rig) -> None:
    rig.start()
    ids = begin(rig, 1, 3, 4)
    for job_id, done in zip(ids, (1, 3, 4), strict=True):
        found = job(rig, job_id)
        assert (found.status, found.progress) == (
            "running",
            {"done": done, "total": 9, "note": "so far"},
        )
    release(rig, ids[0])
    [failed] = rig.queue.wait(ids[0], 10)
    [attempt] = failed.history
    assert failed.progress == {"done": 1, "total": 9, "note": "so far"}
    assert attempt.log_tail is not None
    assert attempt.log_tail[-1].endswith(f"{failed.id} has begun")
    assert job(rig, ids[1]).status == "running"


def test_a_crash_leaves_each_its_last_lines(rig: Rig) -> None:
    rig.start()
    plain = [rig.queue.add("plain") for _ in range(50)]
    rig.queue.wait(plain, 10)  # by now they are short, and write into the spool
    ids = begin(rig, 2, 3)
    (rig.folder / f"began-{ids[1]}").unlink()
    release(rig, ids[0])
    eventually((rig.folder / f"began-{ids[1]}").exists, 10)  # it runs again, alone
    first = job(rig, ids[1]).history[0]
    assert first.outcome is Outcome.RELEASED
    assert first.error is not None
    assert first.error.type == "SharedWorkerCrashed"
    assert first.log_tail is not None
    assert first.log_tail[-1].endswith(f"{ids[1]} has begun")
    assert (first.max_rss, first.cpu_seconds) == (None, None)
    assert "from nobody" in (rig.folder / "out").read_text()
    assert not any("from nobody" in line for one in plain for line in log(rig, one))


def test_one_that_is_killed_has_no_memory_of_others(rig: Rig) -> None:
    rig.start()
    ids = [*begin(rig, 3), rig.queue.add("hold")]
    eventually((rig.folder / f"began-{ids[1]}").exists)
    rig.queue.cancel(ids[1])
    [killed] = rig.queue.wait(ids[1], 10)
    [attempt] = killed.history
    assert (attempt.outcome, attempt.exit is not None) == (Outcome.CANCELLED, True)
    assert (attempt.max_rss, attempt.cpu_seconds) == (None, None)
    assert attempt.log_tail is not None
    assert attempt.log_tail[-1].endswith("holds on")


def test_a_killed_daemon_leaves_each_its_last_lines(rig: Rig) -> None:
    daemon = rig.start()
    ids = begin(rig, 3, 4)
    daemon.kill()
    daemon.wait()
    rig.start()
    for job_id in ids:
        recovered(rig, job_id)
        [attempt] = job(rig, job_id).history
        assert attempt.outcome is Outcome.LOST
        assert attempt.log_tail is not None
        assert attempt.log_tail[-1].endswith(f"{job_id} has begun")


def test_a_cancel_is_seen_by_its_own_job_alone(rig: Rig) -> None:
    rig.start()
    ids = [rig.queue.add("watch") for _ in range(2)]
    for job_id in ids:
        eventually((rig.folder / f"began-{job_id}").exists)
    rig.queue.cancel(ids[0])
    [ended] = rig.queue.wait(ids[0], 10)
    assert ended.status == "cancelled"
    assert (rig.folder / f"seen-{ids[0]}").read_text() == "True"
    assert job(rig, ids[1]).status == "running"
    assert not (rig.folder / f"seen-{ids[1]}").exists()
