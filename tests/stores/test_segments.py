"""Segments: rolls, compaction, and bytes in them that are not as they were written."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from jobctl.core.job import Status
from jobctl.core.note import PAUSE, TICK, Note
from jobctl.errors import StoreCorrupt, StoreError
from jobctl.stores.directory.layout import Layout
from jobctl.stores.directory.segments import Place, Segments
from jobctl.stores.directory.store import DirectoryStore
from tests.helpers import NOON, ROOT, after, claim, end, ids, make_job, put
from tests.stores.tools import (
    claim_order,
    drop_index,
    line,
    live_a_little,
    picture,
    quarantined,
    reasons,
    rebuilt,
    records,
    segment,
)


@pytest.fixture(autouse=True)
def _small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobctl.stores.directory.journal.SEGMENT_SIZE", 3000)


def delete(store: DirectoryStore, *names: str) -> None:
    for name in names:
        with store.transaction() as tx:
            job = tx.get(name)
            assert job is not None
            tx.delete(job)


def compact(store: DirectoryStore) -> int:
    steps = 1
    while store.maintain():
        steps += 1
        assert steps < 500, "it never ends"
    return steps


@pytest.mark.parametrize("size", [1, 4, 5, 1000])
def test_lines_end_at_newlines_however_much_is_read_at_a_time(
    size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ends a line elsewhere, such as a carriage return, does not here."""
    monkeypatch.setattr("jobctl.stores.directory.segments._LINES", size)
    with closing(DirectoryStore(tmp_path / "store")) as store:
        put(store, make_job())
    at = segment(tmp_path / "store").stat().st_size
    texts = [b"abc\n", b"\n", b"d\re\r\n", b"\x0c\x85\n", b"x" * 50 + b"\n", b"rest"]
    with segment(tmp_path / "store").open("ab") as file:
        file.write(b"".join(texts))
    with closing(Segments(store.layout)) as segments:
        found = list(segments.scan(1, at))
    assert [one.text for one in found] == texts[:-1]
    assert [one.place.offset - at for one in found] == [0, 4, 5, 10, 13]


def test_many_records_are_read_as_each_would_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Close together and far apart, in any order, damaged, cut off and gone."""
    store = DirectoryStore(tmp_path / "store")
    monkeypatch.setattr("jobctl.stores.directory.journal.SEGMENT_SIZE", 20_000)
    for n in range(6):
        put(store, *(make_job(f"j{n}{k}", data={"x": "y" * 90 * k}) for k in range(10)))
    assert len(store.journal.segments()) > 1
    with segment(tmp_path / "store", 1).open("r+b") as file:
        file.seek(700)
        file.write(b"#")
    with store.transaction() as tx:
        found = tx.index().execute("SELECT segment, offset, length FROM jobs ORDER BY seq")
        places = [Place(*row) for row in found]
    store.close()
    places += [Place(1, 10_000_000, 300), Place(77, 0, 300), Place(1, places[3].offset, 5)]
    segments = Segments(store.layout)
    for order in (places, places[::-1], places[::3], places[20:] + places[:20]):
        assert segments.jobs(order) == [segments.job(place) for place in order]
    alone = [job.id for job in segments.jobs(places) if job]
    assert len(alone) == 59
    monkeypatch.setattr("jobctl.stores.directory.segments._CHUNK", 500)
    monkeypatch.setattr("jobctl.stores.directory.segments._GAP", 0)
    assert [job.id for job in segments.jobs(places) if job] == alone


def test_compaction_keeps_what_counts_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "store"
    store = DirectoryStore(path)
    live_a_little(store)
    for n in range(40):
        put(store, make_job(f"x{n}"))
        if n % 8:
            delete(store, f"x{n}")
    before = picture(store)
    segments = store.journal.segments()
    assert len(segments) > 4
    compact(store)
    left = store.journal.segments()
    assert left[0] > segments[0]
    assert left == list(range(left[0], left[-1] + 1))
    assert picture(store) == before
    store.close()
    assert rebuilt(path) == before


def test_compaction_keeps_notes_and_forgets_what_they_replaced(tmp_path: Path) -> None:
    path = tmp_path / "store"
    store = DirectoryStore(path)
    for n in range(60):
        with store.transaction() as tx:
            tx.put(Note(TICK, f"kept-{n % 4}", after(n), {"text": "x" * 200, "n": n}))
            tx.put(Note(PAUSE, f"dropped-{n}", after(n)))
        with store.transaction() as tx:
            tx.drop(PAUSE, f"dropped-{n}")
    segments = store.journal.segments()
    before = store.notes(TICK)
    assert [note.value["n"] for note in before] == [56, 57, 58, 59]
    compact(store)
    left = store.journal.segments()
    assert left[0] > segments[-2]  # nothing but the newest counts
    assert store.notes(TICK) == before
    store.close()
    drop_index(path)
    again = DirectoryStore(path)
    assert again.notes(TICK) == before
    assert again.notes(PAUSE) == []
    again.close()


def test_what_another_process_has_compacted_is_let_go(tmp_path: Path) -> None:
    """Descriptors stay few over the rolls, and the removed files give their space back."""
    segments = Segments(Layout(tmp_path))
    (tmp_path / "journal").mkdir()
    for number in range(1, 20):
        path = tmp_path / f"journal/{number:08}.jsonl"
        path.write_text("a line\n")
        assert segments.read_raw(Place(number, 0, 6)) == b"a line"
        path.unlink()
    held = [
        os.readlink(f"/proc/self/fd/{fd}")
        for fd in os.listdir("/proc/self/fd")
        if os.path.islink(f"/proc/self/fd/{fd}")
    ]
    assert sum(str(tmp_path) in target for target in held) == 1
    segments.close()


def test_a_deleted_job_is_never_revived(tmp_path: Path) -> None:
    path = tmp_path / "store"
    store = DirectoryStore(path)
    put(store, *(make_job(f"j{n}") for n in range(6)))
    for round_ in range(12):
        put(store, *(make_job(f"r{round_}-{n}", data="x" * 300) for n in range(3)))
        delete(store, f"r{round_}-1", f"r{round_}-2")
        if round_ < 5:
            delete(store, f"j{round_}")
        compact(store)
        found = picture(store)
        assert found["jobs"][-1].id == f"j{min(round_, 4) + 1}"
        drop_index(path)
        assert picture(store) == found
    store.close()


def test_a_due_job_that_is_moved_is_still_claimed(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "store")
    put(store, make_job("due", run_at=after(5)), make_job("now", priority=1))
    assert ids(claim(store, 1, after(10))) == ["now"]  # now both stand in their lane
    for n in range(30):
        put(store, make_job(f"x{n}", priority=5, data="x" * 100))
        delete(store, f"x{n}")
    old = store.journal.segments()[0]
    compact(store)
    assert store.journal.segments()[0] > old
    assert ids(claim(store, 5, after(10))) == ["due"]
    store.close()


READER = """
import sys
from contextlib import closing
from pathlib import Path
from jobctl.stores.directory.store import DirectoryStore
store = DirectoryStore(Path(sys.argv[1]))
for _ in sys.stdin:
    print(*sorted(job.id for job in store.list(limit=1000)), store.stats().total, flush=True)
"""


def test_another_process_reads_across_rolls_and_compaction(tmp_path: Path) -> None:
    path = tmp_path / "store"
    store = DirectoryStore(path)
    put(store, make_job("keep"))
    with subprocess.Popen(
        [sys.executable, "-c", READER, str(path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as reader:
        assert reader.stdin
        assert reader.stdout
        for n in range(15):
            put(store, make_job(f"x{n}", data="x" * 900))
            if n:
                delete(store, f"x{n - 1}")
            compact(store)
            reader.stdin.write("\n")
            reader.stdin.flush()
            assert reader.stdout.readline() == f"keep x{n} 2\n"
        reader.stdin.close()
    assert store.journal.segments()[0] > 3
    store.close()


def test_a_torn_end_before_another_segment_is_reported_and_compacted(tmp_path: Path) -> None:
    path = tmp_path / "store"
    store = DirectoryStore(path)
    for n in range(30):
        put(store, make_job(f"x{n}", data="x" * 200))
    store.close()
    whole = segment(path).read_bytes()
    segment(path).write_bytes(whole[:-1])
    found = rebuilt(path)
    assert len(found["jobs"]) == 29
    assert quarantined(path) == records(path)[-1]
    store = DirectoryStore(path)
    delete(store, *(f"x{n}" for n in range(25) if store.get(f"x{n}")))
    compact(store)
    assert not segment(path).exists()
    store.close()


def test_a_missing_segment_takes_only_its_own_jobs_along(tmp_path: Path) -> None:
    path = tmp_path / "store"
    store = DirectoryStore(path)
    for n in range(30):
        put(store, make_job(f"x{n}", data="x" * 200))
    before = store.list(limit=100)
    store.close()
    lost = segment(path, 2).read_text()
    segment(path, 2).unlink()
    wanted = [job for job in before if f'"id":"{job.id}"' not in lost]
    assert len(wanted) < len(before)
    store = DirectoryStore(path)
    assert store.list(limit=100) == wanted
    store.close()
    assert rebuilt(path)["jobs"] == wanted
    assert len(claim_order(path)) == len(wanted)


@pytest.mark.parametrize("kind", ["fifo", "link", "folder"])
def test_a_segment_that_is_no_file_blocks_nobody(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "store"
    store = DirectoryStore(path)
    put(store, make_job("a"))
    store.stats()
    store.close()
    planted = segment(path, 2)
    if kind == "fifo":
        os.mkfifo(planted)
    elif kind == "link":
        planted.symlink_to("/etc/passwd")
    else:
        planted.mkdir()
    store = DirectoryStore(path)
    with pytest.raises(StoreError, match=r"00000002\.jsonl"):
        put(store, make_job("b"))
    assert os.path.lexists(planted), "what is not ours stays"
    planted.rmdir() if kind == "folder" else planted.unlink()
    put(store, make_job("b"))
    assert ids(store.list()) == ["b", "a"]
    store.close()


def test_other_names_in_the_journal_are_nothing_to_us(tmp_path: Path) -> None:
    path = tmp_path / "store"
    store = DirectoryStore(path)
    for name in (
        "7.jsonl",
        "\u00b2\u00b2\u00b2\u00b2\u00b2\u00b2\u00b2\u00b2.jsonl",
        "x.jsonl",
        "00000009.jsonl~",
    ):
        (path / "journal").mkdir(exist_ok=True)
        (path / "journal" / name).write_text("not ours\n")
    put(store, make_job("a"))
    assert ids(store.list()) == ["a"]
    store.close()
    assert ids(rebuilt(path)["jobs"]) == ["a"]


def test_foreign_and_doubled_lines(tmp_path: Path) -> None:
    path = tmp_path / "store"
    store = DirectoryStore(path)
    put(store, make_job("a"), make_job("b"))
    [job] = claim(store, 1)
    end(store, job)
    before = picture(store)
    store.close()
    found = records(path)
    other = line(make_job("a", seq=99))
    odd = line(make_job("c", seq=98)).replace(b'"name":"work"', b'"nome":"work"')
    segment(path).write_bytes(
        b"".join([found[0], b"what is this\n", *found[1:3], *found[1:3], *found[3:]])
        + found[-1]
        + found[3]
        + other
        + odd
    )
    assert rebuilt(path) == before
    assert other in quarantined(path)
    assert any("not a line" in reason for reason in reasons(path))


def test_a_whole_line_that_is_no_job_stops_nobody(tmp_path: Path) -> None:
    from jobctl.stores.directory import lines

    path = tmp_path / "store"
    store = DirectoryStore(path)
    put(store, make_job("a"))
    odd = {"kind": "job", "id": "odd", "name": "work", "created_at": NOON, "rev": 1, "seq": 5}
    with segment(path).open("ab") as file:
        file.write(lines.seal(lines.encode(odd), 1, 1))
    put(store, make_job("b"))
    assert ids(store.list()) == ["b", "a"]
    with pytest.raises(StoreCorrupt, match="odd"):
        store.get("odd")
    assert sorted(ids(claim(store, 10))) == ["a", "b"]
    assert store.stats().total == 2
    store.close()


@pytest.mark.parametrize("indexed", [True, False])
def test_a_flipped_bit_at_every_byte_of_a_record(indexed: bool, tmp_path: Path) -> None:
    path = tmp_path / "store"
    store = DirectoryStore(path)
    put(store, make_job("a"))
    put(store, make_job("bad", data="secret"))
    put(store, make_job("c"))
    store.stats()
    store.close()
    whole = segment(path).read_bytes()
    start = whole.index(b'{"kind":"job","id":"bad"')
    stop = whole.index(b"\n", start) + 1
    for at in range(start, stop):
        bad = bytearray(whole)
        bad[at] ^= 1 << at % 8
        segment(path).write_bytes(bad)
        if not indexed:
            drop_index(path)
        store = DirectoryStore(path)
        # Without its newline it takes the next line along: neither is whole.
        wanted = ["a"] if at == stop - 1 and not indexed else ["c", "a"]
        assert ids(store.list()) == wanted, at
        assert store.stats().total == len(wanted) + indexed
        if indexed:
            with pytest.raises(StoreCorrupt, match="bad"):
                store.get("bad")
            with pytest.raises(StoreCorrupt), store.transaction() as tx:
                tx.get("bad")
        else:
            assert store.get("bad") is None
        store.close()
    store = DirectoryStore(path)
    assert set(ids(claim(store, 10))) == set(wanted)
    assert store.stats().as_dict()[Status.RUNNING] == len(wanted)
    assert not claim(store, 10)
    assert reasons(path)
    store.close()


def test_a_damaged_header_costs_no_job(tmp_path: Path) -> None:
    path = tmp_path / "store"
    store = DirectoryStore(path)
    put(store, make_job("a"), make_job("b"))
    store.close()
    whole = segment(path).read_bytes()
    for size in (5, 60):
        segment(path).write_bytes(b"\0" * size + whole[size:])
        store = DirectoryStore(path)
        put(store, make_job(f"c{size}"))
        assert {"a", "b", f"c{size}"} <= set(ids(store.list()))
        store.close()
    segment(path).write_bytes(bytes(5000) + whole)
    for number in range(2, 9):
        segment(path, number).unlink(missing_ok=True)
    drop_index(path)
    store = DirectoryStore(path)
    put(store, make_job("d"))
    assert segment(path).read_bytes() == bytes(5000) + whole, "nothing is thrown away"
    assert ids(store.list()) == ["d", "b", "a"]
    store.close()
