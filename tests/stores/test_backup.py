"""Backups: one moment of a store in one file, and back."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import tarfile
import threading
from pathlib import Path

import pytest

from jobctl.core.job import Status
from jobctl.errors import (
    ConfigError,
    Conflict,
    StoreBusy,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreTooNew,
    StoreUnwritable,
)
from jobctl.stores.directory import restore as restoring
from jobctl.stores.directory.backup import backup
from jobctl.stores.directory.doctor import examine
from jobctl.stores.directory.restore import check, restore
from jobctl.stores.directory.store import DirectoryStore
from tests.helpers import NOON, claim, end, ids, make_job, put
from tests.stores.tools import failing, line, live_a_little, picture, segment


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with a life behind it, in several segments, with a log."""
    monkeypatch.setattr("jobctl.stores.directory.journal.SEGMENT_SIZE", 4000)
    made = tmp_path / "store"
    store = DirectoryStore(made)
    live_a_little(store)
    (made / "logs").mkdir()
    (made / "logs" / "a1.log").write_bytes(b"printed\n")
    store.close()
    return made


def seen(path: Path) -> object:
    store = DirectoryStore(path)
    try:
        return picture(store)
    finally:
        store.close()


def beside(path: Path) -> set[str]:
    return {one.name for one in path.parent.iterdir()}


def test_there_and_back(path: Path, tmp_path: Path) -> None:
    file, new = tmp_path / "b.tar", tmp_path / "deep" / "new"
    made = backup(path, file, NOON)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert check(file) == made
    done = restore(new, file, NOON)
    assert (done.manifest, done.examined.findings, done.aside) == (made, [], None)
    assert seen(new) == seen(path)
    assert (new / "logs" / "a1.log").read_bytes() == b"printed\n"
    assert stat.S_IMODE(new.stat().st_mode) == 0o700
    assert beside(new) == {"new"}
    assert examine(new, NOON).findings == []


def test_tar_alone_makes_a_store_of_it(path: Path, tmp_path: Path) -> None:
    backup(path, tmp_path / "b.tar", NOON, logs=False)
    new = tmp_path / "new"
    new.mkdir()
    subprocess.run(["tar", "-xf", tmp_path / "b.tar", "-C", new], check=True)
    assert not (new / "logs/a1.log").exists()
    assert seen(new) == seen(path)


def test_what_was_not_finished_is_not_in_it(path: Path, tmp_path: Path) -> None:
    before = seen(path)
    newest = path / "journal" / sorted(os.listdir(path / "journal"))[-1]
    with newest.open("ab") as file:
        file.write(line(make_job("torn"), 1, 2))
    backup(path, tmp_path / "b.tar", NOON)
    restore(tmp_path / "new", tmp_path / "b.tar", NOON)
    assert seen(tmp_path / "new") == before


def test_who_may_not_write_takes_whole_transactions(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as from a disk that has become read-only: nobody cuts off what is unfinished."""
    before = seen(path)
    newest = path / "journal" / sorted(os.listdir(path / "journal"))[-1]
    with newest.open("ab") as file:
        file.write(line(make_job("torn"), 1, 2))

    def refuse(self: object) -> None:
        raise StoreUnwritable("Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr("jobctl.stores.directory.locks.WriteLock.acquire", refuse)
        backup(path, tmp_path / "b.tar", NOON)
    assert b"torn" in newest.read_bytes()
    restore(tmp_path / "new", tmp_path / "b.tar", NOON)
    assert not list((tmp_path / "new").glob("quarantine/*"))
    assert examine(tmp_path / "new", NOON).findings == []
    assert seen(tmp_path / "new") == before


def test_nothing_is_overwritten_unasked(path: Path, tmp_path: Path) -> None:
    file = tmp_path / "b.tar"
    file.write_text("mine")
    with pytest.raises(Conflict, match="--force"):
        backup(path, file, NOON)
    assert file.read_text() == "mine"
    backup(path, file, NOON, force=True)
    before = seen(path)
    with pytest.raises(Conflict, match="--force"):
        restore(path, file, NOON)
    assert seen(path) == before
    for other in (tmp_path, file):
        with pytest.raises(StoreUnwritable):
            restore(other, file, NOON, force=True)
    assert beside(path) == {"b.tar", "store"}


def test_a_store_in_the_way_is_kept_aside(path: Path, tmp_path: Path) -> None:
    then = seen(path)
    backup(path, tmp_path / "b.tar", NOON)
    store = DirectoryStore(path)
    other = DirectoryStore(path)
    put(store, make_job("later"))
    now = picture(store)
    picture(other)
    lock = (path / "locks" / "write.lock").stat().st_ino
    (path / "token").write_text("secret")
    done = restore(path, tmp_path / "b.tar", NOON, force=True)
    assert done.aside == tmp_path / "store.20261124T120000Z.old"
    assert seen(done.aside) == now
    assert seen(path) == then
    # Who has it open sees the new one, and all still share one lock.
    assert (path / "locks" / "write.lock").stat().st_ino == lock
    assert (path / "token").read_text() == "secret"
    for one in (store, other):
        assert picture(one) == then
    put(store, make_job("new"))
    assert "new" in ids(other.list(limit=100))
    store.close()
    other.close()
    assert "new" not in str(seen(done.aside))
    assert beside(path) == {"b.tar", "store", done.aside.name}


def test_a_restore_wants_no_daemon(path: Path, tmp_path: Path) -> None:
    backup(path, tmp_path / "b.tar", NOON)
    before = seen(path)
    store = DirectoryStore(path)
    with store.seat(), pytest.raises(StoreBusy, match=f"process {os.getpid()} is the daemon"):
        restore(path, tmp_path / "b.tar", NOON, force=True)
    store.close()
    assert seen(path) == before
    assert beside(path) == {"b.tar", "store"}


def test_any_other_byte_is_noticed(path: Path, tmp_path: Path) -> None:
    file, new = tmp_path / "b.tar", tmp_path / "new"
    backup(path, file, NOON)
    whole = file.read_bytes()
    with tarfile.open(file) as tar:
        inside = [
            at
            for info in tar
            for at in range(info.offset_data, info.offset_data + info.size, 397)
        ]
        headers = [info.offset for info in tar]
    bad = tmp_path / "bad.tar"
    for at in inside + headers:
        text = bytearray(whole)
        text[at] ^= 1
        bad.write_bytes(text)
        with pytest.raises(StoreCorrupt, match="nothing was changed"):
            restore(new, bad, NOON)
        assert beside(path) == {"b.tar", "bad.tar", "store"}
    for size in [0, 1, 511, *range(512, len(whole) - 10240, 1999)]:
        bad.write_bytes(whole[:size])
        with pytest.raises(StoreCorrupt):
            restore(new, bad, NOON)
    assert not new.exists()


def planted(file: Path, name: str, kind: bytes = tarfile.REGTYPE) -> None:
    with tarfile.open(file, "a") as tar:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, "/etc/passwd"
        tar.addfile(info, io.BytesIO())


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("../evil", tarfile.REGTYPE),
        ("/tmp/evil", tarfile.REGTYPE),
        ("logs/../../evil", tarfile.REGTYPE),
        ("store.json", tarfile.SYMTYPE),
        ("logs/x", tarfile.SYMTYPE),
        ("logs/x", tarfile.LNKTYPE),
        ("logs/x", tarfile.FIFOTYPE),
        ("logs/x", tarfile.REGTYPE),  # after the manifest
    ],
)
def test_what_does_not_belong_into_it(
    name: str, kind: bytes, path: Path, tmp_path: Path
) -> None:
    file = tmp_path / "b.tar"
    backup(path, file, NOON)
    planted(file, name, kind)
    with pytest.raises(StoreCorrupt, match="does not belong"):
        restore(tmp_path / "new", file, NOON)
    before = tmp_path / "before.tar"
    planted(before, name, kind)
    with pytest.raises(StoreCorrupt):
        restore(tmp_path / "new", before, NOON)
    assert beside(path) == {"b.tar", "before.tar", "store"}


def test_what_is_no_backup(path: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for name in ("nowhere", "store", "fifo"):
        with pytest.raises(ConfigError):
            check(tmp_path / name)
    with pytest.raises(StoreCorrupt):
        check(segment(path))
    with pytest.raises(StoreUnwritable, match="no store"):
        backup(tmp_path / "nothing", tmp_path / "b.tar", NOON)
    assert not (tmp_path / "b.tar").exists()


def test_one_of_a_newer_format(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobctl.stores.directory.backup.FORMAT", 2)
    backup(path, tmp_path / "b.tar", NOON)
    with pytest.raises(StoreTooNew, match="format 2, not 1"):
        check(tmp_path / "b.tar")


def test_a_damaged_store_can_be_backed_up(path: Path, tmp_path: Path) -> None:
    text = bytearray(segment(path).read_bytes())
    text[1000] ^= 1
    segment(path).write_bytes(text)
    backup(path, tmp_path / "b.tar", NOON)
    done = restore(tmp_path / "new", tmp_path / "b.tar", NOON)
    assert [one.code for one in done.examined.findings][:1] == ["line"]
    assert segment(tmp_path / "new").read_bytes() == text


@pytest.mark.parametrize("call", ["fsync", "link"])
def test_a_disk_that_fails_leaves_no_half_of_one(call: str, path: Path, tmp_path: Path) -> None:
    import errno

    with failing(call, 1, errno.ENOSPC), pytest.raises(StoreFull):
        backup(path, tmp_path / "b.tar", NOON)
    assert beside(path) == {"store"}
    backup(path, tmp_path / "b.tar", NOON)
    for nth in range(1, 6):
        with failing("fsync", nth, errno.ENOSPC), pytest.raises(StoreFull):
            restore(tmp_path / "new", tmp_path / "b.tar", NOON)
        assert beside(path) == {"b.tar", "store"}


def test_folders_that_cannot_be_exchanged(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup(path, tmp_path / "b.tar", NOON)
    before = seen(path)
    monkeypatch.setattr(restoring, "_EXCHANGE", 1 << 20)  # a flag that no kernel knows
    with pytest.raises(StoreUnwritable, match="Restore into a new folder"):
        restore(path, tmp_path / "b.tar", NOON, force=True)
    assert seen(path) == before
    assert beside(path) == {"b.tar", "store"}


def test_one_moment_of_a_store_in_use(path: Path, tmp_path: Path) -> None:
    """Each transaction moves a job and adds two: a backup has all of it or nothing."""
    stop = threading.Event()
    failed: list[BaseException] = []

    def work() -> None:
        store = DirectoryStore(path)
        n = 0
        try:
            while not stop.is_set():
                n += 1
                put(store, make_job(f"p{n}a", name="pair"), make_job(f"p{n}b", name="pair"))
                for job in claim(store, 2):
                    end(store, job)
                if n % 5 == 0:
                    for done in store.finished(Status.COMPLETED, NOON.replace(year=2100), 9):
                        with store.transaction() as tx:
                            tx.delete(done)
                    store.maintain()
        except BaseException as err:
            failed.append(err)
        finally:
            store.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for n in range(15):
            file, new = tmp_path / f"{n}.tar", tmp_path / f"new{n}"
            backup(path, file, NOON)
            assert restore(new, file, NOON).examined.findings == []
            store = DirectoryStore(new)
            names = {
                job.id for job in store.list(name="pair", status=Status.PENDING, limit=9999)
            }
            assert store.stats().total == len(store.list(limit=9999))
            store.close()
            odd = [name for name in names if f"{name[:-1]}{'ab'[name[-1] == 'a']}" not in names]
            assert len(odd) <= 1, "of one pair a half may have been claimed"
    finally:
        stop.set()
        thread.join()
    assert not failed


def test_a_store_error_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError):
        backup(tmp_path / "file", tmp_path / "b.tar", NOON)
