"""What a writer leaves who dies in the middle of a write is cut off by the next."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from jobctl.stores.directory.store import DirectoryStore
from tests.helpers import ids, make_job, put
from tests.stores.tools import quarantined, rebuilt, records, segment


def add(path: Path, *names: str) -> None:
    """Add jobs as a process of its own does."""
    store = DirectoryStore(path)
    put(store, *(make_job(name) for name in names))
    store.close()


def names(path: Path) -> list[str]:
    store = DirectoryStore(path)
    found = ids(store.list())
    store.close()
    assert ids(rebuilt(path)["jobs"]) == found
    return found


@pytest.mark.parametrize("last", [("b",), ("b", "c", "d")], ids=["one", "three"])
@pytest.mark.parametrize("warm", [True, False], ids=["open store", "new process"])
def test_a_tail_torn_at_any_byte(last: tuple[str, ...], warm: bool, tmp_path: Path) -> None:
    path = tmp_path / "store"
    add(path, "a")
    good = segment(path).read_bytes()
    add(path, *last)
    torn = segment(path).read_bytes()[len(good) :]
    segment(path).write_bytes(good)
    writer = DirectoryStore(path)
    put(writer, make_job("warm"))
    for size in range(len(torn)):
        before = segment(path).read_bytes()
        with segment(path).open("ab") as file:
            file.write(torn[:size])
        shutil.rmtree(path / "quarantine", ignore_errors=True)
        if warm:
            put(writer, make_job(f"z{size}"))
        else:
            add(path, f"z{size}")
        after = segment(path).read_bytes()
        assert after.startswith(before), size
        assert after[len(before) :].startswith(b'{"kind":"job","id":"z%d"' % size)
        assert after.count(b"\n") == before.count(b"\n") + 1
        assert quarantined(path) == torn[:size]
    assert writer.stats().pending == len(torn) + 2
    writer.close()
    assert rebuilt(path)["stats"].pending == len(torn) + 2


@pytest.mark.parametrize(
    "torn",
    [b"\0" * 5000, b"\n\0\0", b"garbage", b'{"kind":"job"', b"\r\r\n\r", b"x" * (3 << 20)],
)
def test_bytes_without_an_end_are_cut_off(torn: bytes, tmp_path: Path) -> None:
    path = tmp_path / "store"
    add(path, "a")
    with segment(path).open("ab") as file:
        file.write(torn)
    add(path, "z")
    assert names(path) == ["z", "a"]
    assert records(path)[-1].startswith(b'{"kind":"job","id":"z"')


@pytest.mark.parametrize("bad", [b"garbage\n", b"\n", b"\0\0\n", b"\xff\r\r\n", b"{}\n"])
def test_lines_that_are_not_ours_are_passed_over(bad: bytes, tmp_path: Path) -> None:
    path = tmp_path / "store"
    add(path, "a")
    with segment(path).open("ab") as file:
        file.write(bad)
    assert names(path) == ["a"]
    add(path, "z")
    assert names(path) == ["z", "a"]
    assert quarantined(path) == bad


def test_a_bad_last_line_does_not_make_the_index_anew(tmp_path: Path) -> None:
    path = tmp_path / "store"
    add(path, "a")
    with segment(path).open("ab") as file:
        file.write(b"garbage\n")
    store = DirectoryStore(path)
    store.stats()
    with store.transaction() as tx:
        tx.get("a")
        index = tx.writer.index
        assert index is not None
        index.execute("UPDATE jobs SET name='kept'")
    with store.transaction() as tx:
        assert tx.get("a") is not None
        assert tx.writer.index is not None
        assert tx.writer.index.execute("SELECT name FROM jobs").fetchall() == [("kept",)]
    store.close()


def test_zeros_in_the_middle_of_a_transaction_void_all_of_it(tmp_path: Path) -> None:
    path = tmp_path / "store"
    add(path, "a")
    good = segment(path).stat().st_size
    add(path, "b", "c", "d")
    whole = bytearray(segment(path).read_bytes())
    start = good + len(records(path)[2]) + 10
    whole[start : start + 150] = bytes(150)
    segment(path).write_bytes(whole)
    add(path, "z")
    assert names(path) == ["z", "a"]


def test_half_a_transaction_before_a_whole_one_is_not_joined_to_it(tmp_path: Path) -> None:
    path = tmp_path / "store"
    add(path, "a")
    add(path, "b", "c")
    add(path, "d", "e", "f")
    found = records(path)
    # Without c and d what is left looks like 1 of 2, 2 of 3, 3 of 3.
    segment(path).write_bytes(b"".join([*found[:3], *found[5:]]))
    assert names(path) == ["a"]


def test_a_long_transaction_is_cut_off_whole(tmp_path: Path) -> None:
    path = tmp_path / "store"
    add(path, "a")
    store = DirectoryStore(path)
    put(store, *(make_job(f"m{n}", data="x" * 2000) for n in range(2500)))
    store.close()
    whole = segment(path).read_bytes()
    segment(path).write_bytes(whole[: whole[:-1].rindex(b"\n") + 1])
    add(path, "z")
    assert names(path) == ["z", "a"]
