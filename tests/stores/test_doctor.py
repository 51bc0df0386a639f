"""jobctl doctor's reading: what it finds, and that it changes nothing."""

from __future__ import annotations

import os
import random
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jobctl.core.finding import Finding
from jobctl.core.job import Status
from jobctl.core.note import PAUSE, TICK, Note
from jobctl.errors import StoreBusy, StoreTooNew, StoreUnwritable
from jobctl.stores.directory.doctor import examine
from jobctl.stores.directory.repair import repair
from jobctl.stores.directory.store import DirectoryStore
from tests.helpers import NOON, after, claim, end, ids, make_job, put, there
from tests.stores.tools import (
    drop_index,
    failing,
    line,
    live_a_little,
    picture,
    quarantined,
    rebuilt,
    records,
    segment,
)

#: Long after any file was made.
LATER = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with all kinds of records, in several segments, and its index."""
    monkeypatch.setattr("jobctl.stores.directory.journal.SEGMENT_SIZE", 4000)
    made = tmp_path / "store"
    store = DirectoryStore(made)
    live_a_little(store)
    with store.transaction() as tx:
        tx.put(Note(PAUSE, "work", NOON))
        tx.put(Note(TICK, "one", NOON, {"n": 1}))
    put(store, make_job("tagged", tags=("x", "y"), after=("a1",)), make_job("last"))
    store.stats()
    store.close()
    assert len(list((made / "journal").iterdir())) > 3
    return made


def found(path: Path) -> list[Finding]:
    """Return what is wrong, after making sure that looking has changed nothing."""
    before = tree(path)
    result = examine(path, LATER).findings
    assert tree(path) == before
    return result


def tree(path: Path) -> dict[str, bytes]:
    """Return all files, apart from what any reader of the index leaves."""
    files = (one for one in sorted(path.rglob("*")) if one.is_file() and not one.is_symlink())
    skipped = ("-wal", "-shm", "write.lock", "maintenance.lock")
    return {str(one): one.read_bytes() for one in files if not one.name.endswith(skipped)}


def codes(path: Path) -> list[str]:
    return sorted(one.code for one in found(path))


def mended(path: Path) -> list[Finding]:
    """Repair the store, and return what was found; nothing may be left."""
    result = repair(path, NOON)
    assert result.left == []
    assert found(path) == []
    return result.findings


def flip(path: Path, at: int) -> None:
    text = bytearray(path.read_bytes())
    text[at] ^= 4
    path.write_bytes(text)


def test_a_store_that_is_well(path: Path) -> None:
    result = examine(path, LATER)
    assert result.findings == []
    numbers = range(1, result.segments + 1)
    assert result.lines == sum(len(records(path, number)) for number in numbers)
    assert repair(path, NOON).findings == []
    drop_index(path)
    assert found(path) == []


def test_a_delayed_job_that_became_ready_is_no_difference(path: Path) -> None:
    store = DirectoryStore(path)
    with store.transaction() as tx:
        tx.drop(PAUSE, "work")
    assert claim(store, 1, after(1000))
    store.close()
    db = sqlite3.connect(path / "index.sqlite")
    assert db.execute("SELECT COUNT(*) FROM jobs WHERE ready=1 AND due<>0").fetchone()[0]
    db.close()
    assert found(path) == []


def test_after_compaction_nothing_is_missing(path: Path) -> None:
    store = DirectoryStore(path)
    for job in store.list(limit=100):
        if job.status is not Status.RUNNING:
            with store.transaction() as tx:
                tx.delete(job)
    while store.maintain():
        pass
    assert store.journal.segments()[0] > 1
    store.close()
    assert found(path) == []


SQL = {
    "DELETE FROM jobs WHERE id='last'": "does not have 1 job (last) that",
    "UPDATE jobs SET status=3 WHERE id='last'": "does not have 1 job (last) as",
    "UPDATE jobs SET rev=7 WHERE id='last'": "does not have 1 job (last) as",
    "UPDATE jobs SET ready=0 WHERE id='last'": "does not have 1 job (last) as",
    "UPDATE jobs SET name='other' WHERE id='last'": "does not have 1 job (last) as",
    "UPDATE counters SET n=n+1 WHERE name='work' AND status=0": "counters",
    "DELETE FROM tags WHERE tag='x'": "tags",
    "INSERT INTO tags VALUES ('z', 5)": "tags",
    "DELETE FROM deps": "deps",
    "DELETE FROM notes WHERE topic='pause'": "notes are not as the journal has them: 1 row",
    "UPDATE segments SET live=live-1 WHERE segment=1": "segments",
    "UPDATE meta SET store='x'": "another store",
    "UPDATE meta SET crc='00000000'": "other bytes",
}


@pytest.mark.parametrize("statement", SQL)
def test_an_index_that_says_something_else(path: Path, statement: str) -> None:
    before = rebuilt(path)
    db = sqlite3.connect(path / "index.sqlite", isolation_level=None)
    assert db.execute(statement).rowcount
    db.close()
    (one,) = found(path)
    assert (one.code, one.path, one.repairable) == ("index", "index.sqlite", True)
    assert SQL[statement] in one.message
    assert [one.repaired for one in mended(path)] == [True]
    store = DirectoryStore(path)
    assert picture(store) == before
    store.close()


@pytest.mark.parametrize("size", [1, 100, 5000])
def test_an_index_with_other_bytes(path: Path, size: int) -> None:
    index = path / "index.sqlite"
    for suffix in ("-wal", "-shm"):
        Path(f"{index}{suffix}").unlink(missing_ok=True)
    whole = index.read_bytes()
    others = bytes(byte ^ n for byte, n in zip(whole, random.randbytes(size), strict=False))
    index.write_bytes(bytes([whole[0] ^ 1]) + others[1:] + whole[size:])
    before = rebuilt_elsewhere(path)
    assert codes(path) == ["index"]
    mended(path)
    store = DirectoryStore(path)
    assert picture(store) == before
    store.close()


def rebuilt_elsewhere(path: Path) -> object:
    import shutil

    copy = path.with_name("copy")
    shutil.copytree(path, copy, ignore=lambda at, names: {"wake"} & {*names})
    return rebuilt(copy)


def test_a_damaged_line_is_named_and_kept_and_taken_out(path: Path) -> None:
    text = records(path, 2)[2]
    at = segment(path, 2).read_bytes().index(text)
    flip(segment(path, 2), at + 60)
    drop_index(path)
    broken = found(path)
    [one] = [one for one in broken if one.message.startswith("not a line of ours, or damaged")]
    assert all("transaction that is not whole" in o.message for o in broken if o is not one)
    assert (one.code, one.path, one.line) == ("line", "journal/00000002.jsonl", 3)
    assert (one.offset, one.length) == (at, len(text))
    bad = records(path, 2)[2]
    mended(path)
    assert bad in quarantined(path)
    assert not segment(path, 2).exists(), "its live lines were written again elsewhere"


def test_neighbours_with_one_fault_are_one_finding(path: Path) -> None:
    with segment(path, 2).open("ab") as file:
        file.write(b"what\nis\nthis\n")
    drop_index(path)
    [one] = found(path)
    assert one.length == len(b"what\nis\nthis\n")
    mended(path)


def test_a_job_whose_newest_record_is_lost_does_not_run_again(path: Path) -> None:
    store = DirectoryStore(path)
    with store.transaction() as tx:
        tx.drop(PAUSE, "work")
    put(store, make_job("pay", priority=100))
    [job] = claim(store, 1)
    end(store, job)
    store.close()
    newest = path / "journal" / sorted(os.listdir(path / "journal"))[-1]
    flip(newest, newest.stat().st_size - 40)
    broken = found(path)
    assert {one.code for one in broken} == {"line", "record"}
    assert {one.job for one in broken if one.code == "record"} == {"pay"}
    told = [one for one in mended(path) if one.job == "pay"]
    assert "an older one said that it was running: it is cancelled now" in told[0].message
    store = DirectoryStore(path)
    job = there(store, "pay")
    assert job.status is Status.CANCELLED
    assert job.error is not None
    assert job.error.type == "RecordLost"
    store.close()


def test_a_job_that_may_have_run_is_not_pending_again(path: Path) -> None:
    store = DirectoryStore(path)
    with store.transaction() as tx:
        tx.drop(PAUSE, "work")
    put(store, make_job("pay", priority=100))
    assert ids(claim(store, 1)) == ["pay"]
    store.close()
    newest = path / "journal" / sorted(os.listdir(path / "journal"))[-1]
    flip(newest, newest.stat().st_size - 40)
    told = [one for one in mended(path) if one.job == "pay"]
    assert "said that it was pending: it is cancelled now" in told[0].message
    store = DirectoryStore(path)
    assert there(store, "pay").status is Status.CANCELLED
    store.close()


def test_whole_lines_of_a_torn_transaction_count_again(tmp_path: Path) -> None:
    path = tmp_path / "store"
    store = DirectoryStore(path)
    put(store, *(make_job(f"j{n}") for n in range(5)))
    put(store, make_job("after"))
    job = there(store, "j4")
    with store.transaction() as tx:
        tx.delete(job)
    store.close()
    drop_index(path)
    at = segment(path).read_bytes().index(records(path)[3])
    flip(segment(path), at + 80)
    store = DirectoryStore(path)
    assert ids(store.list()) == ["after"]
    store.close()
    mended(path)
    store = DirectoryStore(path)
    assert ids(store.list()) == ["after", "j3", "j1", "j0"], "neither j2 nor the deleted j4"
    store.close()
    assert ids(rebuilt(path)["jobs"]) == ["after", "j3", "j1", "j0"]


def test_records_that_the_journal_no_longer_has(path: Path) -> None:
    newest = path / "journal" / sorted(os.listdir(path / "journal"))[-1]
    os.truncate(newest, newest.stat().st_size - len(newest.read_bytes().splitlines()[-1]) - 1)
    broken = found(path)
    # What is left of the transaction is unfinished.
    assert [one.code for one in broken] == ["lost", "record", "unfinished"]
    assert broken[1].job == "last"
    assert "has read up to byte" in broken[0].message
    mended(path)


@pytest.mark.parametrize("which", [1, 2, -1])
def test_a_missing_segment(path: Path, which: int) -> None:
    names = sorted(os.listdir(path / "journal"))
    name = names[which - 1] if which > 0 else names[-1]
    (path / "journal" / name).unlink()
    drop_index(path)
    if which == -1:
        assert found(path) == [], "without an index nobody knows"
        return
    broken = [one for one in found(path) if one.code == "missing"]
    assert [one.path for one in broken] == [f"journal/{name}"]
    mended(path)


def test_a_segment_that_is_empty(path: Path) -> None:
    segment(path, 2).write_bytes(b"")
    drop_index(path)
    assert [one.path for one in found(path) if one.code == "missing"] == [
        "journal/00000002.jsonl"
    ]
    mended(path)


def test_a_segment_that_begins_with_a_record_stops_nobody(path: Path) -> None:
    newest = path / "journal" / sorted(os.listdir(path / "journal"))[-1]
    header, *rest = newest.read_bytes().splitlines(keepends=True)
    newest.write_bytes(b"".join([*rest, header]))
    drop_index(path)
    store = DirectoryStore(path)
    put(store, make_job("new"))
    assert {"new", "last"} <= {*ids(store.list(limit=100))}
    store.close()


def test_an_index_knows_that_the_newest_segment_is_missing(path: Path) -> None:
    (path / "journal" / sorted(os.listdir(path / "journal"))[-1]).unlink()
    broken = found(path)
    assert broken[0].code == "lost"
    assert "is gone" in broken[0].message
    mended(path)


def test_a_segment_of_another_store(path: Path, tmp_path: Path) -> None:
    other = DirectoryStore(tmp_path / "other")
    put(other, make_job("odd", data="x" * 77))
    put(other, make_job("foreign"))  # with a seq that no job here has
    other.close()
    bytes_ = segment(tmp_path / "other").read_bytes()
    segment(path, 2).write_bytes(bytes_)
    drop_index(path)
    assert "foreign" in codes(path)
    assert "foreign" not in ids(rebuilt(path)["jobs"]), "its lines do not count"
    repair(path, NOON)
    assert found(path) == []
    assert (path / "quarantine/journal-00000002.jsonl").read_bytes() == bytes_
    assert "foreign" not in ids(rebuilt(path)["jobs"])


def test_a_segment_under_another_name(path: Path) -> None:
    last = len(list((path / "journal").iterdir()))
    segment(path).rename(segment(path, last + 1))
    drop_index(path)
    assert {one.code for one in found(path)} >= {"foreign", "missing"}
    mended(path)


@pytest.mark.parametrize("kind", ["fifo", "link", "folder"])
@pytest.mark.parametrize(
    "name",
    ["store.json", "journal/00000002.jsonl", "index.sqlite", "locks/write.lock", "wake"],
)
def test_what_is_no_file(path: Path, kind: str, name: str) -> None:
    victim = path / name
    old = victim.read_bytes() if victim.exists() else b""
    victim.unlink(missing_ok=True)
    if kind == "fifo":
        os.mkfifo(victim)
    elif kind == "link":
        (path.parent / "elsewhere").write_bytes(old)
        victim.symlink_to(path.parent / "elsewhere")
    else:
        victim.mkdir()
    if (kind, name) == ("fifo", "wake"):
        assert found(path) == []
        return
    broken = found(path)
    assert ("file", name) in [(one.code, one.path) for one in broken]
    mended(path)
    assert os.path.lexists(path / "quarantine" / name.replace("/", "-"))
    store = DirectoryStore(path)
    put(store, make_job("new"))
    assert "new" in ids(store.list(limit=100))
    store.close()


@pytest.mark.parametrize("text", [None, b"", b"{", b"[]", b"\xff"])
def test_store_json_is_made_again_from_the_segments(path: Path, text: bytes | None) -> None:
    before = (path / "store.json").read_bytes()
    if text is None:
        (path / "store.json").unlink()
    else:
        (path / "store.json").write_bytes(text)
    [one] = found(path)
    assert (one.code, one.repairable) == ("store", True)
    mended(path)
    assert (path / "store.json").read_bytes() == before


def test_nobody_knows_whose_it_is(path: Path) -> None:
    (path / "store.json").unlink()
    for file in (path / "journal").iterdir():
        flip(file, 30)
    [one] = [one for one in found(path) if one.code == "store"]
    assert not one.repairable
    assert "backup" in one.message


@pytest.mark.parametrize("text", ["{}", '{"format":2,"id":"x"}'])
def test_a_newer_store_is_not_judged(path: Path, text: str) -> None:
    (path / "store.json").write_text(text)
    if text == "{}":
        assert codes(path) == ["store"]
        return
    for look in (examine, repair):
        with pytest.raises(StoreTooNew, match="format 2"):
            look(path, NOON)


def test_there_is_no_store(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(StoreUnwritable, match=r"no store|No such file"):
            examine(folder, NOON)
    (tmp_path / "mine.txt").write_text("")
    with pytest.raises(StoreUnwritable, match="no store"):
        repair(tmp_path, NOON)
    assert os.listdir(tmp_path) == ["mine.txt"]


def test_a_write_that_was_not_finished(path: Path) -> None:
    newest = path / "journal" / sorted(os.listdir(path / "journal"))[-1]
    with newest.open("ab") as file:
        file.write(line(make_job("torn"), 1, 2) + b'{"kind":"jo')
    assert codes(path) == ["unfinished"]
    mended(path)
    assert b"torn" in quarantined(path)


def test_a_write_that_could_not_be_made_durable(path: Path) -> None:
    store = DirectoryStore(path)
    with failing("rename", 1), failing("fdatasync", 1), pytest.raises(StoreUnwritable):
        put(store, make_job("void"))
    with pytest.raises(StoreUnwritable, match="run jobctl doctor"):
        put(store, make_job("refused"))
    store.close()
    [one] = found(path)
    assert one.code == "broken"
    assert "check the disk" in one.message
    repair(path, LATER)
    assert found(path) == []
    store = DirectoryStore(path)
    put(store, make_job("taken"))
    known = ids(store.list(limit=100))
    assert "taken" in known
    assert "void" not in known
    store.close()
    assert not list((path / "journal").glob("*.broken"))


def test_a_length_that_is_half_there(path: Path) -> None:
    """Its first digits are another number, which would void all that was acknowledged."""
    store = DirectoryStore(path)
    put(store, make_job("last"))
    known = ids(store.list(limit=100))
    with failing("rename", 1), failing("fdatasync", 1), pytest.raises(StoreUnwritable):
        put(store, make_job("void"))
    store.close()
    [marker] = (path / "journal").glob("*.broken")
    marker.write_bytes(marker.read_bytes()[:2])
    repair(path, LATER)
    assert found(path) == []
    store = DirectoryStore(path)
    assert ids(store.list(limit=100)) == known
    store.close()


def test_what_was_left_over(path: Path) -> None:
    names = [
        "store.json.99-abc",
        "journal/00000099.jsonl.new",
        "locks/probe.7",
        "daemon.json.new",
    ]
    for name in names:
        (path / name).write_text("draft")
    young = datetime.fromtimestamp((path / names[0]).stat().st_mtime + 5, UTC)
    assert examine(path, young).findings == [], "somebody may be at it"
    assert codes(path) == ["leftover"] * 4
    repair(path, LATER)
    assert found(path) == []


def test_quarantine_is_told_of_once(path: Path) -> None:
    flip(segment(path, 2), segment(path, 2).stat().st_size - 60)
    drop_index(path)
    store = DirectoryStore(path)
    store.stats()  # a reader finds it, and keeps it apart
    assert "quarantine" in codes(path)
    # It leaves the journal one day.
    store.close()
    mended(path)
    assert list((path / "quarantine").glob("*.bin")), "the bytes stay"


def test_a_repair_wants_no_daemon(path: Path) -> None:
    flip(segment(path), 700)
    store = DirectoryStore(path)
    with store.seat():
        assert codes(path), "looking is allowed"
        before = tree(path)
        with pytest.raises(StoreBusy, match=rf"process {os.getpid()} is the daemon"):
            repair(path, NOON)
        assert tree(path) == before
    store.close()
    mended(path)


def test_who_holds_the_write_lock_for_long_is_named(path: Path) -> None:
    store = DirectoryStore(path)
    with store.transaction() as tx:
        tx.lock()
        [one] = examine(path, NOON, patience=0.05).findings
    assert (one.code, one.repairable) == ("lock", False)
    assert f"process {os.getpid()}" in one.message
    store.close()
