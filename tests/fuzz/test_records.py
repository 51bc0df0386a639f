"""Lines of the journal that are whole and say what no jobctl has ever written (P7)."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobctl.core.filters import EVERY
from jobctl.core.job import Status
from jobctl.core.note import TICK
from jobctl.core.unreadable import UNREADABLE
from jobctl.errors import StoreCorrupt
from jobctl.stores.directory import lines
from jobctl.stores.directory.doctor import examine
from jobctl.stores.directory.repair import repair
from jobctl.stores.directory.store import DirectoryStore
from tests.fuzz.mutating import ODD, as_bytes, json_values, mutated, tries
from tests.helpers import NOON, after, claim, ids, make_job, next_run_at, put
from tests.stores.tools import drop_index, line, segment

JOB = line(make_job("odd", tags=("t",), after=("a",), run_at=NOON, data={"k": [1]})).decode()
HEADER = lines.seal(lines.encode(lines.SegmentHeader(1, "x", 1, 5)), 1, 1).decode()
NOTE = '{"kind":"tick","key":"x","at":"2026-11-24T12:00:00Z","value":{"n":1}}\n'
TOMB = '{"kind":"tombstone","id":"a","rev":2,"seq":5}\n'
WHOLE = [JOB, HEADER, NOTE, TOMB]
FIELDS = [*msgspec.to_builtins(make_job("odd")), "tx", "crc", "key", "at", "value", "segment"]
NUMBERS = st.sampled_from([2**63, 2**64, -(2**63), 2**70, -1, 0, 1, 2**32, 1.5])
TIMES = st.sampled_from(
    ["2026-01-01T00:00:00", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "x", 5]
)
records = st.builds(
    lambda change, kind: {**msgspec.to_builtins(make_job("odd")), "kind": kind, **change},
    st.dictionaries(
        st.sampled_from(FIELDS),
        json_values | NUMBERS | TIMES | st.sampled_from(Status),
        max_size=5,
    ),
    st.sampled_from(
        ["job", "job", "job", "tombstone", "tick", "pause", "retired", "segment", "x"]
    ),
)


@given(text=mutated(WHOLE))
@tries
def test_decoding_a_line_raises_what_it_says(text: str) -> None:
    bad = as_bytes(text)
    assert lines.intact(bad) in (True, False)
    assert lines.place_in_transaction(bad) is None or len(bad) > 20
    lines.checksum(bad)
    lines.job_id(bad)
    lines.read_entry(bad)
    for decode in (
        lines._decode_entry,
        lines.decode_job,
        lines.decode_note,
        lines.decode_header,
    ):
        try:
            decode(bad)
        except UNREADABLE:
            pass


def live_with(text: bytes) -> None:
    """Put a line between others, and see that all goes on without it, or with it."""
    folder = Path(tempfile.mkdtemp(prefix="jobctl-test-"))
    path = folder / "store"
    try:
        store = DirectoryStore(path)
        put(store, make_job("before"))
        with segment(path).open("ab") as file:
            file.write(text)
        put(store, make_job("behind"))
        use(store)
        store.close()
        drop_index(path)
        findings = examine(path, NOON).findings
        assert all(found.code and found.message for found in findings)
        repair(path, NOON)
        store = DirectoryStore(path)
        put(store, make_job("again"))
        assert store.get("again") is not None
        store.close()
    finally:
        shutil.rmtree(folder)


def use(store: DirectoryStore) -> None:
    found = store.list(limit=50)
    assert {"before", "behind"} <= set(ids(found))
    assert store.select(EVERY, NOON, newest=False).jobs
    assert store.stats().total >= 2
    assert len(store.notes(TICK)) <= 1
    next_run_at(store)
    store.oldest_due(after(1e9))
    for status in Status:
        store.finished(status, after(1e9)) if status.finished else None
        store.ended(status, NOON, 3)
    for job in found:
        msgspec.json.encode(job)
        store.ahead(job, NOON, 5)
        try:
            store.get(job.id)
        except StoreCorrupt:
            pass
    assert {"before", "behind"} <= set(ids(claim(store, 50, after(1e9))))


@given(record=records)
@tries
def test_any_whole_record_stops_nobody(record: dict[str, Any]) -> None:
    try:
        text = lines.seal(msgspec.json.encode(record)[:-1], 1, 1)
    except (UnicodeEncodeError, msgspec.MsgspecError, OverflowError):
        return
    live_with(text)


@given(text=mutated(WHOLE))
@tries
def test_any_bytes_stop_nobody(text: str) -> None:
    live_with(as_bytes(text) + b"\n")


@pytest.mark.parametrize("field", ["seq", "rev", "priority", "attempts"])
@pytest.mark.parametrize("number", [2**70, 2**63, -(2**63)])
def test_a_number_that_no_index_takes(field: str, number: int) -> None:
    """It raised OverflowError, in whatever was asked, for ever."""
    record = {**msgspec.to_builtins(make_job("odd", rev=1, seq=5)), field: number}
    live_with(lines.seal(msgspec.json.encode(record)[:-1], 1, 1))


@pytest.mark.parametrize("field", ["created_at", "run_at", "started_at", "finished_at"])
@pytest.mark.parametrize(
    "time",
    ["2026-01-01T00:00:00", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"],
    ids=["no zone", "after all years", "before all years"],
)
@pytest.mark.parametrize("status", ["pending", "completed"])
def test_a_time_that_no_clock_shows(field: str, time: str, status: str) -> None:
    record = {
        **msgspec.to_builtins(make_job("odd", rev=1, seq=5)), field: time, "status": status,
    }  # fmt: skip
    live_with(lines.seal(msgspec.json.encode(record)[:-1], 1, 1))


@pytest.mark.parametrize("depth", [2000, 200_000])
def test_a_record_that_is_nested_deeper_than_the_stack_goes(depth: int) -> None:
    text = line(make_job("odd", rev=1, seq=5, data={}))
    body, _, _ = text.partition(b',"tx"')
    deep = b'"data":' + b"[" * depth + b"]" * depth
    live_with(lines.seal(body.replace(b'"data":{}', deep), 1, 1))


def test_all_pieces_are_tried_by_themselves() -> None:
    for piece in ODD:
        test_decoding_a_line_raises_what_it_says.hypothesis.inner_test(piece)  # type: ignore[attr-defined]
