"""The disk fails or is full: a clear error, and the store as it was."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobctl.core import job as transitions
from jobctl.core.job import Status
from jobctl.errors import StoreFull, StoreUnwritable
from jobctl.stores.directory.store import DirectoryStore
from tests.disks import mounted
from tests.helpers import NOON, ROOT, claim, ids, make_job, put, there
from tests.stores.tools import failing, quarantined, rebuilt, segment

WHAT = {errno.EIO: StoreUnwritable, errno.ENOSPC: StoreFull, errno.EDQUOT: StoreFull}


@pytest.mark.parametrize("code", WHAT, ids=errno.errorcode.get)
@pytest.mark.parametrize("call", ["write", "fdatasync", "fsync", "rename"])
def test_a_call_that_fails_left_the_store_as_it_was(
    call: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobctl.stores.directory.journal.SEGMENT_SIZE", 600)
    path = tmp_path / "store"
    store = DirectoryStore(path)
    put(store, make_job("first", data="x" * 500))
    store.stats()
    wanted, failures = ["first"], 0
    for nth in range(1, 5):
        for kind in range(3):
            names = [f"{nth}-{kind}-{k}" for k in range(1 + kind)]
            with failing(call, (nth + 1) // 2, code):
                try:
                    put(store, *(make_job(name, data="x" * 250) for name in names))
                    wanted += names
                except WHAT[code]:
                    failures += 1
        # Reading rolls a full segment too, so it is not done after each add.
        assert sorted(ids(store.list(limit=100))) == sorted(wanted)
    # Without room for another segment the old one goes on.
    assert failures or (call == "rename" and code != errno.EIO)
    store.close()
    assert sorted(ids(rebuilt(path)["jobs"])) == sorted(wanted)


@pytest.mark.parametrize("call", ["write", "fdatasync"])
def test_a_claim_that_fails_can_be_made_again(call: str, tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "store")
    put(store, *(make_job(f"j{n}") for n in range(3)))
    claimed = ids(claim(store, 1))
    with failing(call, 1), pytest.raises(StoreUnwritable):
        claim(store, 2)
    assert (store.stats().pending, store.stats().running) == (2, 1)
    claimed += ids(claim(store, 10))
    assert claimed == ["j0", "j1", "j2"]
    store.close()


def test_what_an_fdatasync_may_have_lost_is_void(tmp_path: Path) -> None:
    path = tmp_path / "store"
    store = DirectoryStore(path)
    other = DirectoryStore(path)
    put(store, make_job("a"))
    put(other, make_job("b"))
    good = segment(path).stat().st_size
    with failing("fdatasync", 1), pytest.raises(StoreUnwritable):
        put(store, make_job("lost1"), make_job("lost2"))
    assert b"lost2" in segment(path).read_bytes()[good:], (
        "it is readable, and void all the same"
    )
    assert f'"void":{good}' in segment(path, 2).read_text()
    assert ids(other.list()) == ["b", "a"]
    put(other, make_job("c"))
    put(store, make_job("lost1", data="again"))
    assert b'"c"' in segment(path, 2).read_bytes()
    assert ids(store.list()) == ["lost1", "c", "b", "a"]
    store.close()
    other.close()
    assert ids(rebuilt(path)["jobs"]) == ["lost1", "c", "b", "a"]


def test_a_full_segment_that_cannot_be_made_durable_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its end may be of a writer who died before he synced it; a second try says nothing."""
    monkeypatch.setattr("jobctl.stores.directory.journal.SEGMENT_SIZE", 400)
    path = tmp_path / "store"
    store = DirectoryStore(path)
    put(store, make_job("a"))
    good = segment(path).stat().st_size
    with failing("fdatasync", 1), pytest.raises(StoreUnwritable):
        put(store, make_job("b"))
    assert f'"void":{good}' in segment(path, 2).read_text()
    put(store, make_job("c"))
    assert ids(store.list()) == ["c", "a"]
    store.close()


def test_without_a_next_segment_nobody_writes_any_more(tmp_path: Path) -> None:
    path = tmp_path / "store"
    store = DirectoryStore(path)
    other = DirectoryStore(path)
    put(store, make_job("a"))
    put(other, make_job("b"))
    with failing("fdatasync", 1), failing("rename", 1), pytest.raises(StoreUnwritable):
        put(store, make_job("lost"))
    for each in (store, other, DirectoryStore(path)):
        with pytest.raises(StoreUnwritable, match="could not be made durable"):
            put(each, make_job("c"))
        assert ids(each.list()) == ["b", "a"]
        each.close()


def test_a_folder_that_could_not_be_synced_is_synced_before_the_next_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobctl.stores.directory.journal.SEGMENT_SIZE", 400)
    store = DirectoryStore(tmp_path / "store")
    put(store, make_job("a", data="x" * 400))
    with failing("fsync", 1), pytest.raises(StoreUnwritable):
        put(store, make_job("b"))
    with failing("fsync", 0) as calls:
        put(store, make_job("c"))
    assert calls, "the new segment's name was never made durable"
    assert ids(store.list()) == ["c", "a"]
    store.close()


def test_an_index_that_cannot_be_written_hides_nothing(tmp_path: Path) -> None:
    path = tmp_path / "store"
    store = DirectoryStore(path)
    put(store, make_job("a"))
    store.stats()
    put(store, make_job("b"))
    with store.transaction() as tx:
        assert tx.writer.index is not None
        # As a full disk does: no page more for the index.
        tx.writer.index.execute(f"PRAGMA max_page_count={10}")
        put_many = [make_job(f"m{n}", name="n" * 400) for n in range(300)]
        tx.add(put_many)
    assert store.stats().pending == 302
    assert len(store.list(limit=1000)) == 302
    store.close()
    assert rebuilt(path)["stats"].pending == 302


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 128 KiB."""
    with mounted(tmp_path / "disk", "size=128k") as disk:
        yield disk


@pytest.mark.root
def test_a_full_disk(small_disk: Path) -> None:
    path = small_disk / "store"
    store = DirectoryStore(path)
    acknowledged = []
    full = 0
    for n in range(2000):
        try:
            put(store, make_job(f"j{n}", data="x" * (900 if n < 1000 else 20)))
            acknowledged.append(f"j{n}")
        except StoreFull:
            full += 1
    assert full
    assert acknowledged
    store.close()
    store = DirectoryStore(path)
    assert sorted(ids(store.list(limit=5000))) == sorted(acknowledged)
    with pytest.raises(StoreFull, match="free some space"):
        put(store, *(make_job(f"k{n}", data="x" * 900) for n in range(100)))
    assert sorted(ids(store.list(limit=5000))) == sorted(acknowledged)
    store.close()
    copy = small_disk.parent / "copy"
    shutil.copytree(path, copy)
    assert sorted(ids(rebuilt(copy)["jobs"])) == sorted(acknowledged)


def test_a_limit_on_the_size_of_files(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "store")
    put(store, make_job("a"))
    size = segment(tmp_path / "store").stat().st_size
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 500, old[1]))
    try:
        with pytest.raises(StoreFull):
            put(store, make_job("big", data="x" * 600))
        put(store, make_job("small"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    put(store, make_job("big"))
    assert ids(store.list()) == ["big", "small", "a"]
    assert quarantined(tmp_path / "store") == b""
    store.close()


NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
READ_ONLY = """
import sys
from pathlib import Path
from jobctl.errors import StoreUnwritable
from jobctl.stores.directory.store import DirectoryStore
from tests.helpers import make_job, put
store = DirectoryStore(Path(sys.argv[1]))
print(*(job.id for job in store.list()), store.stats().pending, store.get("a").id)
try:
    put(store, make_job("c"))
except StoreUnwritable as err:
    print(err.exit_code, str(err).split(":")[-1])
"""


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("behind", [True, False], ids=["index behind", "index current"])
def test_who_may_not_write_may_read(behind: bool, tmp_path: Path) -> None:
    path = Path(subprocess.check_output(["mktemp", "-d"], text=True).strip()) / "store"
    try:
        store = DirectoryStore(path)
        put(store, make_job("a"), make_job("b"))
        if not behind:
            store.stats()
        store.close()
        subprocess.run(["chown", "-R", "65534:65534", str(path.parent)], check=True)
        subprocess.run(["chmod", "-R", "a-w", str(path)], check=True)
        done = subprocess.run(
            [*NOBODY, sys.executable, "-B", "-c", READ_ONLY, str(path)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        lies_in_a_home = "Permission denied" in done.stderr and "site-packages" in done.stderr
        if lies_in_a_home or "error while loading shared libraries" in done.stderr:
            pytest.skip("another user may not read this Python")
        assert done.stderr == ""
        assert done.stdout.splitlines() == [
            "b a 2 a",
            "5  Permission denied; check who owns it",
        ]
    finally:
        shutil.rmtree(path.parent)


def test_an_add_is_kept_although_the_index_fails_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "store"
    store = DirectoryStore(path)
    put(store, make_job("a"))
    store.stats()
    with store.transaction() as tx:
        job = tx.get("a")
        assert job is not None
        tx.save(transitions.cancel(job, NOON))
        assert tx.writer.index is not None
        tx.writer.index.execute("ALTER TABLE jobs RENAME TO others")
    assert there(store, "a").status is Status.CANCELLED
    store.close()
    assert rebuilt(path)["stats"].cancelled == 1


def test_an_add_is_kept_although_a_fold_that_follows_cannot_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobctl.stores.directory.writer._UNFOLDED", 100)
    path = tmp_path / "store"
    store = DirectoryStore(path)
    with failing("fdatasync", 3) as calls:  # the first two are of the segment and the add
        put(store, make_job("a"))
    with failing("fdatasync", 2):
        put(store, make_job("b"))
    assert ids(store.list()) == ["b", "a"]
    assert len(calls) == 2, "what an append has made durable is synced once"
    store.close()
    assert ids(rebuilt(path)["jobs"]) == ["b", "a"]


@pytest.mark.parametrize("call", ["stat", "fstat", "pread"])
def test_a_look_that_fails_is_a_store_error_or_no_matter(call: str, tmp_path: Path) -> None:
    path = tmp_path / "store"
    store = DirectoryStore(path)
    put(store, make_job("first"))
    wanted, failures = ["first"], 0
    for nth in range(1, 12):
        with failing(call, nth):
            try:
                put(store, make_job(f"j{nth}"))
                wanted.append(f"j{nth}")
                store.wake()
                assert len(ids(store.list(limit=100))) == len(wanted)
            except StoreUnwritable:
                failures += 1
    assert failures
    assert sorted(ids(store.list(limit=100))) == sorted(wanted)
    store.close()
    assert sorted(ids(rebuilt(path)["jobs"])) == sorted(wanted)


def test_a_store_is_not_made_of_half_a_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        real = os.write
        patch.setattr(os, "write", lambda fd, text: real(fd, text[:10]))
        with pytest.raises(StoreFull):
            DirectoryStore(tmp_path / "store")
    store = DirectoryStore(tmp_path / "store")
    put(store, make_job("a"))
    assert not list((tmp_path / "store").glob("store.json.*"))
    store.close()


def test_a_damaged_index_that_cannot_be_removed(tmp_path: Path) -> None:
    path = tmp_path / "store"
    store = DirectoryStore(path)
    put(store, make_job("a"))
    store.stats()
    store.close()
    (path / "index.sqlite").write_bytes(b"no index" * 2000)
    store = DirectoryStore(path)
    with failing("unlink", 1), pytest.raises(StoreUnwritable, match="check the disk"):
        claim(store)
    assert ids(claim(store)) == ["a"]
    with store.transaction() as tx, failing("unlink", 1) as calls:
        job = tx.get("a")
        assert job is not None
        tx.save(transitions.cancel(job, NOON))
        assert tx.writer.index is not None
        tx.writer.index.execute("ALTER TABLE jobs RENAME TO others")
        tx.commit()
    assert calls, "what was to be removed after the change was durable stayed"
    assert there(store, "a").cancelling
    store.close()
