"""What a handler says while it runs, and what it is told."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobctl.core.job import Outcome, Status
from jobctl.runtime.context import NOTE, Context, RunningTask, decode_task
from jobctl.runtime.ownlog import Own
from jobctl.runtime.streams import Lines, LineWriter, own_lines
from jobctl.services import progress
from tests.helpers import NOON, after, eventually, make_job
from tests.runtime.conftest import MakeRig
from tests.runtime.rig import Rig

HANDLERS = (Path(__file__).parent / "context_handlers.py").read_text()


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    rig = Rig(tmp_path_factory.mktemp("context"), HANDLERS)
    rig.start()
    yield rig
    rig.close()


def log_of(rig: Rig, job_id: str) -> list[str]:
    text = (rig.folder / ".jobctl/logs" / f"{job_id}.log").read_text()
    return [line.split(" ", 1)[1] for line in text.splitlines()[1:]]


def until_step(rig: Rig, job_id: str, step: int) -> None:
    eventually(lambda: (rig.get(job_id).progress or {}).get("done") == step)


def test_progress_is_seen_from_elsewhere_and_the_last_is_kept(rig: Rig) -> None:
    job_id = rig.queue.add("steps")
    for n in range(1, 4):
        said = {"done": n, "total": 3, "note": f"step {n}"}
        until_step(rig, job_id, n)
        assert [job.progress for job in rig.queue.list(status="running")] == [said]
        (rig.folder / f"step-{n}").touch()
    job = rig.ended(job_id)
    assert (job.status, job.progress) == (Status.COMPLETED, said)
    assert job.record()["progress"] == said
    eventually(lambda: not list((rig.folder / ".jobctl/progress").iterdir()))


def test_async_handlers_do_so_too(rig: Rig) -> None:
    job_id = rig.queue.add("async-steps")
    said = {"done": 0.5, "total": None, "note": None}
    eventually(lambda: rig.get(job_id).progress == said)
    (rig.folder / "go").touch()
    assert rig.ended(job_id).progress == said
    assert log_of(rig, job_id) == ["info half way"]


def test_a_crash_keeps_the_last_progress(rig: Rig) -> None:
    job = rig.ended(rig.queue.add("dies-half-way"))
    assert job.history[0].outcome is Outcome.CRASHED
    assert job.progress == {"done": 7, "total": 9, "note": None}


def test_another_attempt_begins_without_progress(make_rig: MakeRig) -> None:
    rig = make_rig(HANDLERS)
    daemon = rig.start()
    job_id = rig.queue.add("goes-on")
    rig.running(job_id)
    rig.kill(daemon)
    (rig.folder / "handlers.py").write_text(HANDLERS.replace("    job.progress(1, 9)\n", ""))
    (rig.folder / f"began-{job_id}").unlink()
    rig.start()
    rig.running(job_id)
    job = rig.get(job_id)
    assert (job.status, job.progress) == (Status.RUNNING, None)
    assert [attempt.outcome for attempt in job.history] == [Outcome.LOST]


def test_a_cancel_is_seen_where_no_exception_comes(rig: Rig) -> None:
    job_id = rig.queue.add("polls")
    rig.running(job_id)
    assert not rig.get(job_id).cancelled
    assert rig.queue.cancel(job_id).cancelled
    rig.ended(job_id)
    assert log_of(rig, job_id) == ["info False True"]


def test_a_cancel_is_seen_by_who_caught_the_exception(rig: Rig) -> None:
    job_id = rig.queue.add("swallows")
    rig.running(job_id)
    rig.queue.cancel(job_id)
    assert rig.ended(job_id).result == "cancelled: True"


def test_any_thread_may_say_it(rig: Rig) -> None:
    ids = [rig.queue.add("in-a-thread", n) for n in range(3)]
    for n, job_id in enumerate(ids):
        assert rig.ended(job_id).progress == {"done": n, "total": None, "note": None}
        assert log_of(rig, job_id) == [f"info thread {n}"]


# -- without processes ---------------------------------------------------------------------


@pytest.fixture
def said() -> list[bytes]:
    return []


def context(said: list[bytes], folder: Path | None = None, **more: Any) -> Context:
    return Context(
        "a",
        NOON,
        Lines(lambda fd, data: said.append(data)),
        None if folder is None else str(folder),
        more.get("cancelled", lambda job_id: False),
    )


def handed(**fields: Any) -> Any:
    """Return a job as a worker reads it."""
    import msgspec

    from jobctl.runtime.channel import Task

    text = msgspec.msgpack.encode(Task(make_job("a", **fields), None))
    task = decode_task(text)
    assert isinstance(task, RunningTask)
    return task.job


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (("1",), TypeError),
        ((True,), TypeError),
        ((None,), TypeError),
        ((1, "2"), TypeError),
        ((1, 2, 3), TypeError),
        ((float("nan"),), ValueError),
        ((1, float("inf")), ValueError),
        ((1 << 63,), ValueError),
    ],
)
def test_what_is_no_progress_is_refused(
    values: tuple[Any, ...], kind: type[Exception], said: list[bytes]
) -> None:
    with context(said) as one:
        with pytest.raises(kind):
            handed().progress(*values)
        assert one.progress is None


def test_a_note_is_cut_and_made_text(said: list[bytes], tmp_path: Path) -> None:
    with context(said, tmp_path / "progress"):
        handed().progress(1, 2, "\u20ac" * 5000)
    found = progress.read(str(tmp_path / "progress"), "a", NOON)
    assert found == {"done": 1, "total": 2, "note": "\u20ac" * NOTE}
    with context(said, tmp_path / "progress"):
        handed().progress(1, 2, "\udcff" * 5000)
    found = progress.read(str(tmp_path / "progress"), "a", NOON)
    assert found is not None
    assert set(found["note"]) == set("\\udcff")
    assert (tmp_path / "progress/a").stat().st_mode & 0o777 == 0o600


def test_a_job_that_has_ended_says_nothing(said: list[bytes], tmp_path: Path) -> None:
    job = handed(progress={"done": 5})
    with context(said, tmp_path):
        job.log("now")
    job.log("later")
    job.progress(1)
    assert [line.split()[-1] for line in said] == [b"now"]
    assert not list(tmp_path.iterdir())
    assert job.record()["progress"] == {"done": 5}
    with pytest.raises(RuntimeError, match="only its handler can log"):
        make_job("a").log("from outside")


def test_progress_of_an_earlier_attempt_is_not_shown(tmp_path: Path) -> None:
    with context([], tmp_path):
        handed().progress(1)
    assert progress.read(str(tmp_path), "a", after(-1)) is not None
    assert progress.read(str(tmp_path), "a", after(1)) is None
    (tmp_path / "a").write_bytes(b"broken")
    assert progress.read(str(tmp_path), "a", None) is None


def test_a_reader_never_sees_half_of_it(tmp_path: Path) -> None:
    pid = os.fork()
    if pid == 0:
        with context([], tmp_path):
            job, n = handed(), 0
            while True:
                n += 1
                job.progress(n, n, str(n) * 40)
    try:
        seen: set[int] = set()
        deadline = time.monotonic() + 20
        while len(seen) < 2000 and time.monotonic() < deadline:
            found = progress.read(str(tmp_path), "a", None)
            if found is not None:
                assert found["total"] == found["done"]
                assert found["note"] == str(found["done"]) * 40
                seen.add(found["done"])
        assert len(seen) == 2000
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_a_cancel_once_seen_stays(said: list[bytes]) -> None:
    answers = iter([False, True, False])
    with context(said, cancelled=lambda job_id: next(answers)):
        job = handed()
        assert [job.cancelled for _ in range(4)] == [False, True, True, True]


def test_tasks_that_share_a_process_write_each_to_its_own(tmp_path: Path) -> None:
    import asyncio

    other: list[bytes] = []
    stream = LineWriter(Lines(lambda fd, data: other.append(data)), 1, "info", "<stdout>")

    async def one(n: int) -> tuple[str, ...] | None:
        own = Own(str(tmp_path / f"{n}.log"), 1, NOON, 1 << 20)
        own_lines.set(own.lines)
        for _ in range(3):
            print(f"of {n}", file=stream, end="")
            await asyncio.sleep(0)
            print(" and on", file=stream)
            await asyncio.to_thread(print, f"thread {n}", file=stream)
        stream.buffer.write(b"bytes\n")
        own.close()
        print("too late", file=stream)
        return own.tail

    async def both() -> list[tuple[str, ...] | None]:
        return list(await asyncio.gather(one(1), one(2)))

    print("nobody's", file=stream)
    for n, tail in enumerate(asyncio.run(both()), 1):
        assert tail is not None
        words = [line.partition(" info ")[2] for line in tail[:-1]]
        assert words == [f"of {n} and on", f"thread {n}"] * 3
        assert tail[-1] == "bytes"
    assert b"".join(other).endswith(b" info nobody's\n")


def test_one_that_writes_nothing_makes_no_log(tmp_path: Path) -> None:
    own = Own(str(tmp_path / "1.log"), 1, NOON, 1 << 20)
    own.close()
    own.lines.write(None, 1, "info", "too late\n")
    assert own.tail is None
    assert not list(tmp_path.iterdir())
