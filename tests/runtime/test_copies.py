"""A copy of a store, in another folder or container, is a store of its own.

The pids that stand in it are those of others there, who must live; its jobs go on all the same.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from jobctl.clock import SystemClock
from jobctl.core.job import Outcome, Status
from jobctl.runtime.family import VARIABLE, Family
from jobctl.runtime.slots import Slots
from jobctl.services.queue import QueueService
from jobctl.stores.directory.doctor import examine
from jobctl.stores.directory.store import DirectoryStore
from tests.helpers import ROOT, claim, ids
from tests.runtime.rig import Rig, alive

HANDLERS = """
import os, time
from pathlib import Path
from jobctl import handler

@handler("sleep")
def sleep(job):
    Path(f"began-{job.id}").touch()
    with open("pids", "a") as file:
        file.write(f"{os.getpid()} ")
    if os.path.exists("go-on"):
        return
    time.sleep(60)
"""


def copied(source: Path, target: Path) -> Path:
    """Copy a folder as people do."""
    subprocess.run(["cp", "-a", source, target], check=True)
    return target


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that somebody has started."""
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as process:
        yield process
        process.kill()


def left_by(folder: Path, *members: int) -> Family:
    """Write what a daemon with these processes leaves that dies in the middle of a job."""
    folder.mkdir(exist_ok=True)
    family = Family(folder)
    family.write()
    for pid in members:
        family.add(pid)
    fd = Slots.create(family.slots_path, 2)
    Slots(fd, 2).begin(1, "begun", 5.0)
    os.close(fd)
    return family


def test_the_processes_of_the_original_are_left_alone(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    old = left_by(tmp_path / "store", sleeper.pid)
    copy = copied(tmp_path / "store", tmp_path / "copy")
    with subprocess.Popen(["sleep", "60"], env={VARIABLE: old.id}) as relative:
        assert Family(copy).end_previous() == {"begun"}
        assert alive(sleeper.pid)
        assert alive(relative.pid)
        assert Family(tmp_path / "store").end_previous() == {"begun"}
        assert not alive(sleeper.pid)
        assert not alive(relative.pid)


def test_pids_of_another_container_are_nobodys(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    left_by(tmp_path / "store", sleeper.pid)
    path = tmp_path / "store" / "family.json"
    record = msgspec.json.decode(path.read_bytes())
    folder, _, space = record["home"].partition(" ")
    assert space == os.readlink("/proc/self/ns/pid")
    path.write_bytes(msgspec.json.encode({**record, "home": f"{folder} pid:[1]"}))
    assert Family(tmp_path / "store").end_previous() == {"begun"}
    assert alive(sleeper.pid)


def test_what_an_older_jobctl_has_left_is_ended(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    left_by(tmp_path / "store", sleeper.pid)
    path = tmp_path / "store" / "family.json"
    record = msgspec.json.decode(path.read_bytes())
    del record["home"]
    path.write_bytes(msgspec.json.encode(record))
    Family(tmp_path / "store").end_previous()
    assert not alive(sleeper.pid)


def test_a_daemon_on_a_copy_of_a_store_in_use(tmp_path: Path) -> None:
    """It gives back what was running there, runs all of it, and the original goes on."""
    original = Rig(tmp_path / "original", HANDLERS)
    try:
        daemon = original.start()
        running = original.queue.add("sleep")
        original.running(running)
        waiting = [original.queue.add("sleep") for _ in range(4)]
        original.running(waiting[0])
        family = original.family()
        copied(original.folder, tmp_path / "copy")
        copy = Rig(tmp_path / "copy", "")
        (copy.folder / "go-on").touch()
        for path in copy.folder.glob("began-*"):
            path.unlink()
        assert copy.run("--burst") == 0, copy.log()
        assert copy.queue.stats().completed == 5
        lost = copy.get(running).history
        assert [attempt.outcome for attempt in lost] == [Outcome.LOST, Outcome.COMPLETED]
        assert daemon.poll() is None
        assert all(alive(pid) for pid in family)
        assert original.get(running).status is Status.RUNNING
        assert original.get(running).history == ()
        copy.close()
        assert examine(copy.folder / ".jobctl", SystemClock().now()).findings == []
    finally:
        original.close()


#: In a container: orphans in sessions of leaders that have died, with any low pid, and others;
#: then a daemon on the copy. It says who of them still lives.
INSIDE = """
export JOBCTL_STORE="$1"
for n in 1 2 3 4 5 6 7 8 9 10; do
    setsid sh -c 'sleep 100 & echo $! >> "$0"' "$2"
    setsid sleep 100 & echo $! >> "$2"
    env JOBCTL_FAMILY="$4" sleep 100 & echo $! >> "$2"
done
"$3" -P -m jobctl run --burst || exit 9
for pid in $(cat "$2"); do
    kill -0 "$pid" || exit 8
done
exit 7
"""


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="makes a pid namespace, so it needs root")
def test_a_copy_in_a_container(tmp_path: Path) -> None:
    """Another pid namespace and path, and an index that was made at the old path."""
    path, clock = tmp_path / "store", SystemClock()
    store = DirectoryStore(path, clock)
    queue = QueueService(store, clock)
    began = queue.add_shell(["true"], {"job_id": "begun"}, name="one", cwd="/", env={}).id
    queue.add_shell(["true"], {}, name="two", cwd="/", env={})
    assert ids(claim(store, 1, clock.now())) == [began]
    assert store.stats().running == 1
    store.close()
    family = left_by(path)
    record = msgspec.json.decode((path / "family.json").read_bytes())
    record["members"] = [[pid, 1] for pid in range(2, 400)]
    (path / "family.json").write_bytes(msgspec.json.encode(record))
    (path / "locks" / "daemon.pid").write_text("2")
    copy = copied(path, tmp_path / "elsewhere")
    pids = tmp_path / "pids"
    unshare = ["unshare", "--pid", "--fork", "--mount-proc", "--uts"]
    done = subprocess.run(
        [*unshare, "sh", "-c", INSIDE, "sh", copy, pids, sys.executable, family.id],
        cwd="/",
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 7, done.stderr
    assert len(pids.read_text().split()) == 30
    store = DirectoryStore(copy)
    assert store.stats().completed == 2
    job = store.get("begun")
    assert job is not None
    assert [one.outcome for one in job.history] == [Outcome.LOST, Outcome.COMPLETED]
    store.close()
    assert examine(copy, clock.now()).findings == []
    shutil.rmtree(copy)
    store = DirectoryStore(path)
    assert store.stats().running == 1  # nobody has been at the original
    store.close()
