"""The soak, for some seconds: that it finds nothing, and that it would find something."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from jobctl.core.job import Ending, Options, Outcome, finish
from tests.crash.soak import Plan, soak
from tests.crash.soak_daemon import LOCKED, Watch
from tests.crash.soak_load import Load

RUN_TWICE = """
import locked
from types import SimpleNamespace
job = SimpleNamespace(id="id1", name="work")
with locked.held(job), locked.held(job):
    pass
"""


@pytest.mark.slow
def test_nothing_is_lost_runs_twice_or_is_charged(tmp_path: Path, full_size: bool) -> None:
    minutes = 5.0 if full_size else 1 / 3
    plan = Plan(minutes, rate=100, concurrency=8, out_of_memory=False)
    assert soak(tmp_path, plan) == []


def test_a_job_that_runs_twice_is_written_down(tmp_path: Path) -> None:
    (tmp_path / "locked.py").write_text(LOCKED)
    (tmp_path / "locks").mkdir()
    subprocess.run([sys.executable, "-c", RUN_TWICE], cwd=tmp_path, check=True)
    assert (tmp_path / "twice").read_text() == "id1 work\n"


def test_a_lost_job_and_a_charged_one_are_found(tmp_path: Path) -> None:
    (tmp_path / "jobs.toml").write_text("")
    load = Load(tmp_path, random.Random(1), rate=1000, hungry=False)
    try:
        load.step(0.0)
        load.step(0.1)
        gone, charged, *_ = [job_id for job_id, row in load.open.items() if row is None]
        load.queue.delete(gone)
        with load._store.transaction() as tx:
            job = tx.get(charged)
            assert job is not None
            [job] = [one for one in tx.claim(100, job.created_at) if one.id == charged]
            end = Ending(Outcome.CRASHED, job.created_at)
            tx.settle([finish(job, end, Options(max_retries=0))])
        load.judge()
        found = load.faults()
        assert f"{gone} (work) is lost" in found
        assert f"{charged} (an innocent job) is failed after ['crashed']" in found
        assert any("has not ended: " in sentence for sentence in found)
    finally:
        load.close()


@pytest.mark.parametrize(("column", "step", "word"), [(1, 4096, "grew"), (2, 1, "descriptors")])
def test_a_leak_is_found(column: int, step: int, word: str) -> None:
    watch = Watch()
    for second in range(700):
        sample = [float(second), 30 << 20, 20, 1]
        sample[column] += second * step
        watch.note(*sample)  # type: ignore[arg-type]
    [fault] = watch.faults()
    assert word in fault


def test_a_daemon_that_ends_by_itself_is_found() -> None:
    watch = Watch()
    for second in range(10):
        watch.note(float(second), 30 << 20, 20, second // 5)
    assert watch.faults() == ["the daemon ended while nobody had killed it"]
