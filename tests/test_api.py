"""Queue, as a program uses it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from jobctl import (
    ConfigError,
    Duplicate,
    HandlerError,
    InvalidJob,
    NotFound,
    Queue,
    Status,
    StoreError,
    WrongStatus,
)
from tests.helpers import ROOT, eventually
from tests.runtime.rig import Rig, alive

PROGRAM = """
import sys, time
from jobctl import Queue
import tasks

def in_main(job):
    return ["main", job.data]

queue = Queue(store="jobs", concurrency=2)
queue.process("in-main", in_main)
queue.process("beside", tasks.beside)
if __name__ == "__main__":
    queue.start()
    ids = [queue.add("in-main", 1), queue.add("beside", {"n": 2})]
    print([job.result for job in queue.wait(ids, timeout=20)], flush=True)
    if "hang" in sys.argv:
        time.sleep(60)
    queue.stop()
"""
TASKS = """
from dataclasses import dataclass

@dataclass
class Data:
    n: int

def beside(data: Data):
    return ["beside", data.n]
"""


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    """A queue that was opened as a program in an own folder opens it."""
    for name in ("JOBCTL_STORE", "JOBCTL_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "jobs.toml").write_text("")
    with Queue() as queue:
        yield queue


def environ(**more: str) -> dict[str, str]:
    """Return an environment in which a program of the test finds jobctl, and no store."""
    rest = {k: v for k, v in os.environ.items() if not k.startswith("JOBCTL_")}
    return {**rest, "PYTHONPATH": str(ROOT), **more}


def program(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start app.py, with its neighbour tasks.py."""
    with (folder / "log").open("w") as log:
        return subprocess.Popen(
            [sys.executable, "app.py", *arguments],
            cwd=folder,
            env=environ(),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )


def test_a_job_from_add_to_delete(queue: Queue) -> None:
    job_id = queue.add("mail", {"to": "a@b.c"}, priority=5, max_retries=1, tags=["x"])
    job = queue.get(job_id)
    assert job is not None
    assert (job.name, job.data, job.priority, job.tags) == ("mail", {"to": "a@b.c"}, 5, ("x",))
    assert queue.get("nobody") is None
    assert queue.list(status="pending", name="mail") == [job]
    assert queue.stats().as_dict()["total"] == 1
    with pytest.raises(WrongStatus):
        queue.retry(job_id)
    assert queue.cancel(job_id).status is Status.CANCELLED
    assert queue.retry(job_id).status is Status.PENDING
    queue.delete(job_id)
    with pytest.raises(NotFound):
        queue.delete(job_id)
    with pytest.raises(NotFound):
        queue.wait(job_id, timeout=0)


def test_add_many_is_all_or_none(queue: Queue) -> None:
    jobs: list[Any] = [
        {"name": "a", "data": 1, "priority": 3},
        ("b", 2),
        ("c", 3, {"id": "own"}),
    ]
    ids = queue.add_many(jobs)
    assert ids[2] == "own"
    assert [job.data for job in reversed(queue.list())] == [1, 2, 3]
    with pytest.raises(InvalidJob, match="job 2"):
        queue.add_many([("a", 1), ("b", float("nan"))])
    assert queue.stats().pending == 3


def test_an_id_is_added_once(queue: Queue) -> None:
    assert queue.add("a", 1, job_id="order-1") == "order-1"
    assert queue.add("a", 2, job_id="order-1") == "order-1"
    with pytest.raises(Duplicate):
        queue.add("a", 3, job_id="order-1", if_exists="error")
    assert [job.data for job in queue.list()] == [1]
    queue.add("a", 4, job_id="order-1", if_exists="replace")
    assert [job.data for job in queue.list()] == [4]


def test_options_are_kept(queue: Queue) -> None:
    at = datetime(2999, 1, 1, tzinfo=UTC)
    job = queue.get(queue.add("a", scheduled_for=at, timeout="5m", backoff=[1, 2]))
    assert job is not None
    assert job.backoff is not None
    assert (job.run_at, job.timeout, job.backoff.delays) == (at, 300.0, (1.0, 2.0))
    delayed = queue.get(queue.add("a", delay=timedelta(minutes=1)))
    assert delayed is not None
    assert delayed.run_at == delayed.created_at + timedelta(minutes=1)
    with pytest.raises(InvalidJob):
        queue.add("a", delay=1, scheduled_for=at)
    with pytest.raises(InvalidJob):
        queue.add("a", prioritty=1)  # type: ignore[call-arg]  # the mistake is the case


def test_cleanup_takes_a_time_or_an_age(queue: Queue) -> None:
    for _ in range(3):
        queue.cancel(queue.add("a"))
    assert queue.cleanup(timedelta(hours=1)) == 0
    assert queue.cleanup(datetime(2000, 1, 1, tzinfo=UTC)) == 0
    assert queue.cleanup() == 0
    assert queue.cleanup(timedelta(0)) == 3


def test_wait_says_which_have_not_ended(queue: Queue) -> None:
    done, waiting = queue.add("a"), queue.add("a")
    queue.cancel(done)
    assert [job.id for job in queue.wait([done])] == [done]
    with pytest.raises(TimeoutError, match=waiting):
        queue.wait([done, waiting], timeout=0.01)


def test_aio_mirrors_every_method(queue: Queue) -> None:
    public = {name for name in dir(Queue) if not name.startswith("_")}
    assert public - {"process"} == {name for name in dir(type(queue.aio)) if name[0] != "_"}

    async def use() -> None:
        job_id = await queue.aio.add("a", {"n": 1}, priority=2)
        job = await queue.aio.get(job_id)
        assert job is not None
        assert job.priority == 2
        assert await queue.aio.add_many([("a", 1)] * 3)
        # Several at once: each in a thread, on one store.
        await asyncio.gather(*(queue.aio.add("b") for _ in range(20)))
        assert (await queue.aio.stats()).pending == 24
        assert len(await queue.aio.list(name="b", limit=30)) == 20
        await queue.aio.cancel(job_id)
        await queue.aio.retry(job_id)
        await queue.aio.delete(job_id)
        with pytest.raises(NotFound):
            await queue.aio.wait(job_id)
        assert await queue.aio.cleanup() == 0

    asyncio.run(use())


@pytest.mark.parametrize("how", ["folder", "parent", "environment", "argument"])
def test_a_program_and_the_terminal_find_one_store(
    queue: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    more, arguments, given = {}, [], None
    if how == "parent":
        (tmp_path / "below").mkdir()
        monkeypatch.chdir(tmp_path / "below")
    if how == "environment":
        more = {"JOBCTL_STORE": str(tmp_path / "elsewhere")}
        monkeypatch.setenv("JOBCTL_STORE", more["JOBCTL_STORE"])
    if how == "argument":
        given = str(tmp_path / "other")
        arguments = ["--store", given]
    with Queue(store=given) as own:
        job_id = own.add("a")
    shown = subprocess.run(
        [sys.executable, "-P", "-m", "jobctl", "list", "-q", *arguments],
        env=environ(**more),
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.split() == [job_id]
    folder = {"environment": "elsewhere", "argument": "other"}.get(how, ".jobctl")
    assert (tmp_path / folder / "store.json").exists()


def test_faults_of_the_configuration(queue: Queue, tmp_path: Path) -> None:
    (tmp_path / "jobs.toml").write_text("[run]\nconcurency = 1\n")
    with pytest.raises(ConfigError, match="concurency"):
        queue.stats()
    with pytest.raises(ConfigError, match=r"none\.toml"):
        Queue(config="none.toml").stats()
    (tmp_path / "jobs.toml").write_text("")
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError):
        Queue(store="file").add("a")


def test_what_workers_cannot_import_is_refused(queue: Queue) -> None:
    def closure(job: Any) -> None: ...

    with pytest.raises(HandlerError, match="inside a function"):
        queue.process("a", closure)
    with pytest.raises(HandlerError, match="lambda"):
        queue.process("a", lambda job: None)


def test_a_program_runs_its_own_jobs(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(PROGRAM)
    (tmp_path / "tasks.py").write_text(TASKS)
    app = program(tmp_path)
    out, _ = app.communicate(timeout=30)
    assert out == "[['main', 1], ['beside', 2]]\n", (tmp_path / "log").read_text()
    assert app.returncode == 0
    assert "Traceback" not in (tmp_path / "log").read_text()
    assert not (tmp_path / "jobs/family.json").exists()


def test_a_killed_program_takes_its_daemon_along(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(PROGRAM)
    (tmp_path / "tasks.py").write_text(TASKS)
    app = program(tmp_path, "hang")
    assert app.stdout is not None
    assert "main" in app.stdout.readline(), (tmp_path / "log").read_text()
    daemon = int((tmp_path / "jobs/locks/daemon.pid").read_text())
    assert alive(daemon)
    app.kill()
    try:
        eventually(lambda: not alive(daemon))
    finally:
        if alive(daemon):
            os.kill(daemon, 9)
        app.communicate(timeout=10)
    assert not (tmp_path / "jobs/family.json").exists()


def test_start_under_no_main_guard_is_told(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(PROGRAM.replace('__name__ == "__main__"', "True"))
    (tmp_path / "tasks.py").write_text(TASKS)
    app = program(tmp_path)
    app.communicate(timeout=30)
    log = (tmp_path / "log").read_text()
    assert app.returncode == 1
    assert "queue.start() was called while the handlers were imported" in log
    assert "HandlerError: the daemon did not start (exit code 2)" in log


def test_start_in_a_handlers_module_is_told(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "rig", "from jobctl import Queue\nQueue().start()\n")
    assert rig.run() == 2
    assert "queue.start() was called while the handlers were imported" in rig.log()
    rig.close()


def test_start_twice_stop_twice_and_start_again(queue: Queue, tmp_path: Path) -> None:
    pid = tmp_path / ".jobctl/locks/daemon.pid"
    queue.start()
    first = pid.read_text()
    queue.start()
    assert pid.read_text() == first
    os.kill(int(first), 9)

    def started_anew() -> bool:
        queue.start()
        return pid.read_text() != first

    eventually(started_anew)
    queue.stop()
    queue.stop()
    assert not alive(int(pid.read_text()))


def test_start_while_another_daemon_has_the_store(queue: Queue) -> None:
    queue.start()
    with Queue() as other:
        with pytest.raises(StoreError):
            other.start()
        other.add("a")
