"""A daemon where a FIFO, a folder or a link stands in place of one of its files."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from jobctl.core.job import Status
from tests.helpers import eventually
from tests.runtime.conftest import MakeRig
from tests.runtime.rig import Rig

HANDLERS = """
import os
from pathlib import Path
from jobctl import handler

@handler("nothing")
def nothing(job):
    pass

@handler("spoil")
def spoil(job):
    index = Path(".jobctl/index.sqlite")
    index.rename("index.sqlite")
    os.mkfifo(index)
"""


def plant(path: Path, kind: str, mine: Path) -> None:
    """Put something else in place of a file."""
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(mine)


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A file of somebody's own: a SQLite database, as the store's index is."""
    path = tmp_path / "mine"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE jobs (mine)")
    db.close()
    return path


#: Without these no job could ever be claimed, or what runs be known.
NEEDED = ("index.sqlite", "index.sqlite-wal", "locks/write.lock", "family.slots")
#: Without these one can do.
OTHERS = (
    "daemon.json", "handlers.json", "rates.json", "clock.json", "alerts.json", "logs",
    "progress",
)  # fmt: skip


@pytest.mark.parametrize("kind", ["fifo", "folder", "link"])
@pytest.mark.parametrize("name", NEEDED)
def test_a_daemon_says_at_its_start_what_it_cannot_do_without(
    name: str, kind: str, mine: Path, make_rig: MakeRig
) -> None:
    rig = make_rig(HANDLERS)
    rig.queue.add("nothing")
    before = mine.read_bytes()
    plant(rig.folder / ".jobctl" / name, kind, mine)
    assert rig.run("--burst" if kind == "fifo" else "--standby") == 5
    assert name in rig.log().splitlines()[-1]
    assert mine.read_bytes() == before


@pytest.mark.parametrize("kind", ["fifo", "folder", "link"])
@pytest.mark.parametrize("name", OTHERS)
def test_a_daemon_does_without_the_others(
    name: str, kind: str, mine: Path, make_rig: MakeRig
) -> None:
    rig = make_rig(HANDLERS)
    rig.queue.add("nothing")
    before = mine.read_bytes()
    plant(rig.folder / ".jobctl" / name, kind, mine)
    assert rig.run("--burst") == 0, rig.log()
    assert rig.queue.stats().completed == 1
    assert mine.read_bytes() == before


def test_a_burst_ends_when_only_somebody_could_mend_the_store(make_rig: MakeRig) -> None:
    rig = make_rig(HANDLERS, CONFIG)
    spoiled, left = rig.queue.add("spoil"), rig.queue.add("nothing")
    assert rig.run("--burst") == 5
    assert "not a regular file" in rig.log().splitlines()[-1]
    assert rig.get(spoiled).status is Status.COMPLETED
    assert rig.get(left).status is Status.PENDING
    mend(rig)
    assert rig.run("--burst") == 0
    assert rig.get(left).status is Status.COMPLETED


def test_a_daemon_waits_until_the_store_is_mended(make_rig: MakeRig) -> None:
    rig = make_rig(HANDLERS, CONFIG)
    spoiled, left = rig.queue.add("spoil"), rig.queue.add("nothing")
    daemon = rig.start()
    eventually(lambda: "no new jobs are started" in rig.log())
    assert rig.get(spoiled).status is Status.COMPLETED
    assert rig.get(left).status is Status.PENDING
    mend(rig)
    assert rig.ended(left).status is Status.COMPLETED
    assert rig.stop(daemon) == 0


CONFIG = """
[run]
handlers = ["handlers"]
concurrency = 1
"""


def mend(rig: Rig) -> None:
    (rig.folder / ".jobctl" / "index.sqlite").unlink()
