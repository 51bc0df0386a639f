"""A daemon on a disk that is full or fails: it says so, and goes on when it can."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from jobctl.core.job import Status
from jobctl.errors import StoreFull, StoreUnwritable
from tests.disks import break_ext4, carried_over, ext4, fill, kept_full, mounted
from tests.helpers import eventually
from tests.runtime.rig import CONFIG, Rig

HANDLERS = """
import time
from pathlib import Path
from jobctl import Job, handler


@handler("hold")
def hold(job: Job):
    Path(f"began-{job.id}").touch()
    while not Path("go").exists():
        time.sleep(0.01)
    return "r" * 6000
"""


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A rig whose store has a disk of its own."""
    folder = tmp_path / "rig"
    folder.mkdir()
    with mounted(folder / ".jobctl", "size=1m"):
        made = Rig(folder, HANDLERS, CONFIG + 'max_result = "8KiB"\n')
        yield made
        made.close()


def refused(rig: Rig, size: int) -> bool:
    """Add a job with so many bytes of data; return whether there was no room for it."""
    try:
        rig.queue.add("hold", {"fill": "x" * size})
    except StoreFull:
        return True
    return False


@pytest.mark.root
@pytest.mark.parametrize("index", ["there", "gone"])
def test_a_disk_that_is_full_for_a_while(index: str, rig: Rig) -> None:
    for name in ("one", "two"):
        rig.queue.add("hold", id=name)
    daemon = rig.start("--concurrency", "3")
    rig.running("one")
    rig.running("two")
    # It has a place free, and finds the disk full when it comes to what is new.
    eventually(lambda: rig.stopped_without_the_lock(daemon))
    rig.queue.add("hold", id="waits")
    if index == "gone":
        for file in (rig.folder / ".jobctl").glob("index.sqlite*"):
            file.unlink()
    with kept_full(rig.folder / ".jobctl"):
        for size in (900, 0):  # to the last bytes: a claim's line is longer than a small add's
            assert any(refused(rig, size) for _ in range(3000))
        daemon.send_signal(signal.SIGCONT)
        eventually(lambda: "no new jobs are started: " in rig.log())
        assert "free some space" in rig.log()
        assert rig.get("waits").status is Status.PENDING
        assert "store" in [reason.code for reason in rig.queue.explain("waits").reasons]
        (rig.folder / "go").touch()
        for name in ("one", "two"):
            job = rig.until(name, Status.COMPLETED)
            assert job.result == "r" * 6000
    rig.until("waits", Status.COMPLETED)
    eventually(lambda: "the store can be used again" in rig.log())
    assert rig.stop(daemon) == 0
    assert "Traceback" not in rig.log()
    assert rig.log().count("no new jobs are started") < 5, "it is said once, not each second"


@pytest.mark.root
def test_a_daemon_is_stopped_on_a_full_disk(rig: Rig) -> None:
    rig.queue.add("hold", id="one")
    rig.queue.add("hold", id="waits-1")
    rig.queue.add("hold", id="waits-2")
    daemon = rig.start()
    rig.running("one")
    fill(rig.folder / ".jobctl")
    (rig.folder / "go").touch()
    rig.until("one", Status.COMPLETED)
    assert rig.stop(daemon) == 0
    assert rig.queue.stats().running == 0


@pytest.mark.root
def test_a_disk_that_becomes_read_only_beneath_it(tmp_path: Path) -> None:
    folder = tmp_path / "rig"
    folder.mkdir()
    with (
        ext4(folder / ".jobctl", tmp_path / "image") as disk,
        closing(Rig(folder, HANDLERS, CONFIG + 'shutdown_timeout = "1s"\n')) as rig,
    ):
        (disk / "lost+found").rmdir()
        for name in ("one", "two", "waits"):
            rig.queue.add("hold", id=name)
        daemon = rig.start()
        rig.running("one")
        rig.running("two")
        break_ext4(disk)
        (folder / "go").touch()
        eventually(lambda: "Read-only file system" in rig.log())
        assert rig.get("waits").status is Status.PENDING
        with pytest.raises(StoreUnwritable, match="Read-only file system"):
            rig.queue.add("hold")
        # It keeps what has ended until it has to go, and says that it could not be written.
        assert rig.stop(daemon) == StoreUnwritable.exit_code
        assert "Traceback" not in rig.log()
    image = carried_over(tmp_path / "image")
    with ext4(folder / ".jobctl", image), closing(Rig(folder, HANDLERS)) as rig:
        rig.start()
        for name in ("one", "two", "waits"):
            assert rig.ended(name).status is Status.COMPLETED
