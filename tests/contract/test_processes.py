"""The directory store under real processes: nothing is lost, nothing is claimed twice."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

from jobctl.core.store import Stats
from jobctl.stores.directory.store import DirectoryStore
from tests.helpers import ROOT

SETUP = """
import sys
from pathlib import Path
from jobctl.clock import SystemClock
from jobctl.core.job import Ending, Options, Outcome, finish
from jobctl.services.queue import QueueService
from jobctl.stores.directory.store import DirectoryStore
path, who, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
clock = SystemClock()
store = DirectoryStore(path, clock)
queue = QueueService(store, clock)
"""
ADDER = """
for n in range(count):
    if n % 10:
        print(queue.add("work", {"who": who, "n": n}).id)
    else:
        print(*queue.add_many([("work", {"who": who}) for _ in range(5)]), sep="\\n")
"""
CLAIMER = """
done = 0
while done < count:
    with store.transaction() as tx:
        jobs = tx.claim(7, clock.now())
    ended = [finish(j, Ending(Outcome.COMPLETED, clock.now()), Options()) for j in jobs]
    with store.transaction() as tx:
        assert tx.settle(ended) == []
    done += len(jobs)
    for job in jobs:
        print(job.id)
"""
KEEPER = """
for n in range(count):
    print(f"id-{n}", queue.add("work", who, {"id": f"id-{n}"}).created)
"""
CHANGER = """
from jobctl.errors import Conflict, NotFound
for n in range(count):
    for verb in (queue.cancel, queue.retry, queue.delete):
        try:
            verb(f"id-{n % 7}")
            print(verb.__name__)
        except (Conflict, NotFound):
            pass
    print("add", queue.add("work", who, {"id": f"id-{n % 7}"}).created)
"""


def start(script: str, store: Path, who: str, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SETUP + script, str(store), who, str(count)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def lines(process: subprocess.Popen[str]) -> list[str]:
    """Return what a process printed, once it has ended well."""
    out, err = process.communicate(timeout=90)
    assert process.returncode == 0, err
    return out.splitlines()


def run_all(*processes: subprocess.Popen[str]) -> list[list[str]]:
    try:
        return [lines(process) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_adders_and_a_claimer(tmp_path: Path) -> None:
    path, adders, each = tmp_path / "store", 3, 100
    total = adders * (each // 10 * 14)
    *added, claimed = run_all(
        *(start(ADDER, path, f"{n}", each) for n in range(adders)),
        start(CLAIMER, path, "claimer", total),
    )
    acknowledged = [job_id for one in added for job_id in one]
    assert len(acknowledged) == total
    assert Counter(claimed) == Counter(acknowledged)
    store = DirectoryStore(path)
    assert store.stats() == Stats(completed=total)
    assert {job.id for job in store.list(limit=total)} == set(acknowledged)
    assert all(job.attempts == 1 for job in store.list(limit=total))
    store.close()


def test_two_claimers_share_the_jobs(tmp_path: Path) -> None:
    path = tmp_path / "store"
    [added] = run_all(start(ADDER, path, "adder", 100))
    half = len(added) // 2
    one, two = run_all(*(start(CLAIMER, path, f"{n}", half) for n in range(2)))
    assert Counter(one) + Counter(two) == Counter(added)


def test_an_id_that_all_add_is_one_job(tmp_path: Path) -> None:
    path, count = tmp_path / "store", 60
    told = run_all(*(start(KEEPER, path, f"{n}", count) for n in range(3)))
    creations = Counter(
        line.split()[0] for one in told for line in one if line.endswith("True")
    )
    assert creations == Counter(f"id-{n}" for n in range(count))
    store = DirectoryStore(path)
    assert store.stats() == Stats(pending=count)
    owners = {job.id: job.data for job in store.list(limit=count)}
    for who, one in enumerate(told):
        for line in one:
            job_id, created = line.split()
            assert (owners[job_id] == f"{who}") == (created == "True")
    store.close()


def test_verbs_on_the_same_jobs(tmp_path: Path) -> None:
    path = tmp_path / "store"
    told = run_all(*(start(CHANGER, path, f"{n}", 60) for n in range(3)))
    counts = Counter(line for one in told for line in one)
    left = counts["add True"] - counts["delete"]
    store = DirectoryStore(path)
    assert store.stats().total == left == len(store.list(limit=100))
    assert counts["cancel"] >= counts["retry"]
    store.close()
