"""Limits by name, by key and by rate, with real workers; and workers that are replaced."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from jobctl.core.job import Job, Status
from tests.helpers import eventually
from tests.runtime.rig import Rig, most_at_once

HANDLERS = """
import os, time
from pathlib import Path
from jobctl import handler

HERE = Path(__file__).parent
if (HERE / "slow").exists():
    time.sleep(60)

def span(job):
    start = time.monotonic()
    time.sleep(job.data)
    with open(HERE / "spans", "a") as file:
        file.write(f"{job.name} {start} {time.monotonic()}\\n")
    return os.getpid()

for name in ("mail", "report", "free"):
    handler(name)(span)

kept = []

@handler
def grow(job):
    kept.append(b"x" * job.data)
    return os.getpid()
"""
CONFIG = """
[run]
handlers = ["handlers"]
concurrency = 4
max_retries = 0
"""


@pytest.fixture
def start(make_rig: Any) -> Any:
    def begin(extra: str = "", run: str = "") -> Rig:
        rig: Rig = make_rig(HANDLERS, CONFIG + run + extra)
        return rig

    return begin


def spans(rig: Rig) -> list[tuple[str, float, float]]:
    lines = (rig.folder / "spans").read_text().splitlines()
    return [(name, float(a), float(b)) for name, a, b in map(str.split, lines)]


def began_at(job: Job[Any]) -> float:
    assert job.started_at is not None
    return job.started_at.timestamp()


@pytest.mark.parametrize("seconds", [0.03, 0.0])
def test_the_concurrency_of_a_name(start: Any, seconds: float) -> None:
    rig = start("[limits]\nmail = { concurrency = 2 }\n")
    rig.queue.add_many([("mail", seconds)] * 16 + [("free", seconds)] * 8)
    assert rig.run("--burst") == 0
    assert rig.queue.stats().completed == 24
    mails = [(a, b) for name, a, b in spans(rig) if name == "mail"]
    assert most_at_once(mails) <= 2
    if seconds:
        assert most_at_once(mails) == 2
        assert most_at_once([(a, b) for _, a, b in spans(rig)]) > 2


def test_the_jobs_of_a_key_run_one_after_the_other_whatever_their_names(start: Any) -> None:
    rig = start()
    for n in range(8):
        for name in ("mail", "report"):
            rig.queue.add(name, 0.01, concurrency_key="one")
        rig.queue.add("free", 0.03, concurrency_key=f"other-{n}")
    assert rig.run("--burst") == 0
    assert rig.queue.stats().completed == 24
    assert most_at_once([(a, b) for name, a, b in spans(rig) if name != "free"]) == 1
    assert most_at_once([(a, b) for name, a, b in spans(rig) if name == "free"]) > 1


def test_a_rate_is_smooth_and_a_burst_waits_for_it(start: Any) -> None:
    rig = start('[limits]\nmail = { rate = "5/s" }\n')
    added = time.time()
    ids = [rig.queue.add("mail", 0.0) for _ in range(6)]
    assert rig.run("--burst") == 0
    times = sorted(began_at(rig.get(job_id)) for job_id in ids)
    # However late a worker is: none begins before its turn, nor long after it (it waits for
    # the rate, and not for the daemon's look around).
    assert all(at >= added + n / 5 for n, at in enumerate(times))
    assert times[-1] < added + 30


def test_a_limited_name_blocks_no_other(start: Any) -> None:
    rig = start('[limits]\nmail = { rate = "1/h" }\nreport = { concurrency = 1 }\n')
    rig.start()
    mails = [rig.queue.add("mail", 0.0, priority=9) for _ in range(5)]
    reports = [rig.queue.add("report", 60.0, priority=9) for _ in range(5)]
    free = [rig.queue.add("free", 0.0) for _ in range(20)]
    done = rig.queue.wait(free, timeout=20)
    assert {job.status for job in done} == {Status.COMPLETED}
    eventually(lambda: sum(rig.get(one).status is Status.COMPLETED for one in mails) == 1)
    assert Counter(rig.get(one).status for one in reports) == {"running": 1, "pending": 4}
    later = rig.queue.add("free", 0.0)
    assert rig.ended(later).status is Status.COMPLETED
    assert sum(rig.get(one).status is Status.PENDING for one in mails) == 4


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_rate_is_kept_over_a_restart(start: Any, number: int) -> None:
    rig = start('[limits]\nmail = { rate = "1/h" }\n')
    daemon = rig.start()
    rig.ended(rig.queue.add("mail", 0.0))
    if number == signal.SIGKILL:
        eventually((rig.folder / ".jobctl/rates.json").exists)
    daemon.send_signal(number)
    daemon.wait(timeout=20)
    rig.start()
    second = rig.queue.add("mail", 0.0, priority=9)
    rig.ended(rig.queue.add("free", 0.0))
    assert rig.get(second).status is Status.PENDING


def test_all_rates_are_written_at_the_end(start: Any) -> None:
    rig = start('[limits]\nmail = { rate = "1/h" }\nreport = { rate = "1/h" }\n')
    rig.queue.add("mail", 0.0)
    rig.queue.add("report", 0.1)
    assert rig.run("--burst", "--concurrency", "1") == 0
    assert sorted(json.loads((rig.folder / ".jobctl/rates.json").read_text())) == [
        "mail",
        "report",
    ]


@pytest.mark.parametrize("content", [b"", b"[]", b'{"mail": "soon"}', b"\xff", None])
def test_a_broken_file_of_rates_is_none(start: Any, content: bytes | None) -> None:
    rig = start('[limits]\nmail = { rate = "1/h" }\n')
    path = rig.folder / ".jobctl" / "rates.json"
    job_id = rig.queue.add("mail", 0.0)
    path.mkdir() if content is None else path.write_bytes(content)
    assert rig.run("--burst") == 0
    assert rig.get(job_id).status is Status.COMPLETED


def test_other_limits_after_a_reload(start: Any) -> None:
    rig = start('[limits]\nmail = { rate = "1/h" }\n')
    daemon = rig.start()
    jobs = [rig.queue.add("mail", 0.0) for _ in range(5)]
    eventually(lambda: rig.queue.stats().completed == 1)
    (rig.folder / "jobs.toml").write_text(CONFIG)
    daemon.send_signal(signal.SIGHUP)
    assert all(job.status is Status.COMPLETED for job in rig.queue.wait(jobs, timeout=20))


@pytest.mark.parametrize("seconds", [0.01, 0.0])
def test_a_worker_is_replaced_after_so_many_jobs(start: Any, seconds: float) -> None:
    rig = start(run="max_jobs_per_worker = 3\n")
    ids = rig.queue.add_many([("free", seconds)] * 20)
    assert rig.run("--burst") == 0
    jobs = [rig.get(job_id) for job_id in ids]
    assert max(Counter(job.result for job in jobs).values()) == 3
    assert all(len(job.history) == 1 and job.attempts == 1 for job in jobs)


def test_a_worker_that_keeps_too_much_memory_is_replaced(start: Any) -> None:
    rig = start(run='max_worker_rss = "150MiB"\n')
    rig.start("--concurrency", "1")
    first, second = (rig.ended(rig.queue.add("grow", 1000)).result for _ in range(2))
    assert first == second
    large = rig.ended(rig.queue.add("grow", 200 << 20))
    assert large.result == first
    after = rig.ended(rig.queue.add("grow", 1000))
    assert after.result != first
    assert [len(job.history) for job in (large, after)] == [1, 1]


def test_a_stop_is_heard_while_a_fork_server_takes_a_dead_ones_place(start: Any) -> None:
    rig = start()
    daemon = rig.start()
    (rig.folder / "slow").touch()
    os.kill(rig.server_pid(), signal.SIGKILL)
    eventually(lambda: "the fork server died" in rig.log())
    job_id = rig.queue.add("free", 0.0)
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(timeout=10) == 0
    assert rig.get(job_id).status is Status.PENDING
    assert not Path(rig.folder / "spans").exists()
