"""Whose a store is, its modes, and what is refused."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from jobctl.errors import StoreCorrupt, StoreTooNew, StoreUnwritable
from jobctl.stores.directory.store import DirectoryStore
from tests.helpers import claim, ids, make_job, put
from tests.stores.tools import segment


def tree(path: Path) -> dict[str, tuple[int, float]]:
    return {
        str(p): (p.stat().st_mode, p.stat().st_mtime) for p in (path, *sorted(path.rglob("*")))
    }


@pytest.mark.parametrize("mask", [0o000, 0o077, 0o027])
def test_nobody_else_can_read_it(mask: int, tmp_path: Path) -> None:
    path = tmp_path / "store"
    old = os.umask(mask)
    try:
        store = DirectoryStore(path)
        put(store, make_job("a"))
        with segment(path).open("ab") as file:
            file.write(b"torn")
        with store.seat():
            store.wake()
            claim(store)
            modes = {p: p.stat().st_mode for p in (path, *path.rglob("*"))}
        store.close()
    finally:
        os.umask(old)
    assert {p.name for p in modes} >= {"index.sqlite-wal", "wake", "daemon.lock", "quarantine"}
    for found, mode in modes.items():
        wanted = 0o700 if stat.S_ISDIR(mode) else 0o600
        assert stat.S_IMODE(mode) == wanted, (found, oct(mode))


def test_an_open_folder_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "store"
    DirectoryStore(path).close()
    path.chmod(0o755)
    DirectoryStore(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o700


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_the_store_of_another_user_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store"
    DirectoryStore(path).close()
    os.chown(path, 65534, 65534)
    with pytest.raises(StoreUnwritable, match="belongs to user 65534") as caught:
        DirectoryStore(path)
    assert caught.value.exit_code == 5
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ['{"format":2,"id":"x"}', '{"format":7,"more":[1]}'])
def test_a_newer_format_is_refused_by_name_and_untouched(text: str, tmp_path: Path) -> None:
    path = tmp_path / "store"
    path.mkdir()
    path.chmod(0o755)
    (path / "store.json").write_text(text)
    before = tree(path)
    with pytest.raises(StoreTooNew, match=r"format [27], this jobctl knows 1"):
        DirectoryStore(path)
    assert tree(path) == before


def test_a_newer_segment_is_refused_by_name(tmp_path: Path) -> None:
    from jobctl.stores.directory import lines

    path = tmp_path / "store"
    store = DirectoryStore(path)
    put(store, make_job("a"))
    header = lines.SegmentHeader(2, store.store_id, 2)
    text = lines.seal(lines.encode(header), 1, 1)
    segment(path, 2).write_bytes(text)
    for _ in range(3):
        with pytest.raises(StoreTooNew, match="format 2, not 1"):
            put(store, make_job("b"))
    with pytest.raises(StoreTooNew):
        store.stats()
    assert segment(path, 2).read_bytes() == text
    store.close()


def test_a_segment_of_another_store_is_refused(tmp_path: Path) -> None:
    for name in ("one", "two"):
        store = DirectoryStore(tmp_path / name)
        put(store, make_job(name))
        store.close()
    text = segment(tmp_path / "two").read_bytes()
    segment(tmp_path / "one", 2).write_bytes(text)
    store = DirectoryStore(tmp_path / "one")
    for _ in range(3):
        with pytest.raises(StoreCorrupt, match="segment of this store"):
            put(store, make_job("b"))
    assert segment(tmp_path / "one", 2).read_bytes() == text
    store.close()


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"[]", b'{"format":"1"}', b'{"id":"x"}'])
def test_a_damaged_store_json(text: bytes, tmp_path: Path) -> None:
    path = tmp_path / "store"
    DirectoryStore(path).close()
    (path / "store.json").write_bytes(text)
    before = tree(path)
    with pytest.raises(StoreCorrupt, match=r"store\.json cannot be read"):
        DirectoryStore(path)
    assert tree(path) == before


def test_a_folder_with_other_things_is_no_store(tmp_path: Path) -> None:
    path = tmp_path / "store"
    DirectoryStore(path).close()
    (path / "store.json").unlink()
    before = tree(path)
    with pytest.raises(StoreCorrupt, match=r"no store\.json"):
        DirectoryStore(path)
    assert tree(path) == before


def test_what_is_no_folder_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StoreUnwritable, match="not a folder"):
        DirectoryStore(tmp_path / "file")
    with pytest.raises(StoreUnwritable):
        DirectoryStore(tmp_path / "file" / "store")
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(StoreUnwritable, match="not a folder"):
        DirectoryStore(tmp_path / "fifo")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_store_json_that_is_a_fifo_blocks_nobody(tmp_path: Path) -> None:
    path = tmp_path / "store"
    path.mkdir()
    os.mkfifo(path / "store.json")
    with pytest.raises(StoreCorrupt, match="not a regular file"):
        DirectoryStore(path)


def test_a_plain_add_does_not_touch_the_index(tmp_path: Path) -> None:
    path = tmp_path / "store"
    store = DirectoryStore(path)
    put(store, make_job("a"))
    put(store, make_job("b"))
    assert not (path / "index.sqlite").exists()
    assert ids(store.list()) == ["b", "a"]
    store.close()
