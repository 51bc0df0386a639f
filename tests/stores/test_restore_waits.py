"""A restore while a writer waits for the lock: his job is in the new store, or refused."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from jobctl.errors import StoreError
from jobctl.stores.directory import restore as restoring
from jobctl.stores.directory.backup import backup as take_backup
from jobctl.stores.directory.doctor import examine
from jobctl.stores.directory.store import DirectoryStore
from tests.helpers import NOON, eventually, ids, make_job, put
from tests.stores.test_locks import start


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store"


WRITERS = {
    "plain": 'put(store, make_job("w"))',
    "with an id": """
with store.transaction() as tx:
    assert tx.get("w") is None
    tx.add([make_job("w")])
""",
    "the next state": """
with store.transaction() as tx:
    job = tx.get("a")
    tx.save(transitions.cancel(job, NOON))
    tx.add([make_job("w")])
""",
    "claim": """
with store.transaction() as tx:
    assert [job.id for job in tx.claim(5, NOON)] == ["a"]
    tx.add([make_job("w")])
""",
}
#: Has all open, says so, and writes when it is told; then it says what it sees.
WRITER = """
from jobctl.core import job as transitions
from jobctl.errors import StoreError
from tests.helpers import NOON
store.stats(); claim = store.get("a")
if sys.argv[3] == "warm":
    with store.transaction() as tx:
        tx.get("a")
    put(store, make_job("before"))
print("ready", flush=True)
sys.stdin.readline()
try:
    exec(sys.argv[2])
    print("written", *sorted(job.id for job in store.list()), flush=True)
except StoreError as err:
    print("refused", err, flush=True)
"""


def blocked(pid: int) -> bool:
    """Return whether a process waits for a lock."""
    return any(
        "->" in line and f" {pid} " in line
        for line in Path("/proc/locks").read_text().splitlines()
    )


def exchanged_before(process: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Exchange the folders of a restore only when a process waits for the write lock."""
    real = restoring._exchange

    def exchange(one: Path, other: Path) -> None:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
        eventually(lambda: blocked_somewhere(process.pid))
        real(one, other)

    monkeypatch.setattr(restoring, "_exchange", exchange)


def blocked_somewhere(pid: int) -> bool:
    """Return whether a thread of a process waits for a lock."""
    tasks = os.listdir(f"/proc/{pid}/task")
    return any(blocked(int(task)) for task in tasks) or blocked(pid)


@pytest.mark.parametrize("warm", ["warm", "cold"])
@pytest.mark.parametrize("how", WRITERS)
def test_a_writer_that_waits_for_a_restore_writes_into_the_new_store(
    how: str, warm: str, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = DirectoryStore(path)
    put(store, make_job("a"))
    take_backup(path, tmp_path / "backup.tar", NOON)
    put(store, make_job("since"))
    with start(WRITER, path, WRITERS[how], warm) as writer:
        assert writer.stdout
        assert writer.stdout.readline() == "ready\n"
        exchanged_before(writer, monkeypatch)
        aside = restoring.restore(path, tmp_path / "backup.tar", NOON, force=True).aside
        assert writer.stdout.readline() == "written a w\n"
    assert aside is not None
    assert sorted(ids(store.list())) == ["a", "w"]  # ours was open all the time
    put(store, make_job("ours"))
    store.close()
    new, old = DirectoryStore(path), DirectoryStore(aside)
    assert sorted(ids(new.list())) == ["a", "ours", "w"]
    assert sorted(ids(old.list())) == sorted(["a", "since", *["before"] * (warm == "warm")])
    new.close()
    old.close()
    assert examine(path, NOON).findings == []


@pytest.mark.parametrize("how", WRITERS)
def test_a_writer_that_waits_while_another_store_takes_the_place_is_told(
    how: str, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = DirectoryStore(tmp_path / "other")
    put(other, make_job("theirs"))
    other.close()
    take_backup(tmp_path / "other", tmp_path / "backup.tar", NOON)
    store = DirectoryStore(path)
    put(store, make_job("a"))
    assert store.stats().total == 1
    with start(WRITER, path, WRITERS[how], "warm") as writer:
        assert writer.stdout
        assert writer.stdout.readline() == "ready\n"
        exchanged_before(writer, monkeypatch)
        aside = restoring.restore(path, tmp_path / "backup.tar", NOON, force=True).aside
        told = writer.stdout.readline()
        assert told.startswith(f"refused {path} "), told
        assert "open it anew" in told
    for question in (store.stats, store.list, lambda: put(store, make_job("ours"))):
        with pytest.raises(StoreError, match="open it anew"):
            question()
    store.close()
    assert aside is not None
    new, old = DirectoryStore(path), DirectoryStore(aside)
    assert ids(new.list()) == ["theirs"]
    assert ids(old.list()) == ["before", "a"]
    new.close()
    old.close()
    assert examine(path, NOON).findings == []
