"""What stands at the end of the journal and is no plain add: it is folded, as ever."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jobctl.core import job as transitions
from jobctl.core.job import Status
from jobctl.core.note import PAUSE, Note
from jobctl.core.store import Verdict
from jobctl.stores.directory import lines, writer
from jobctl.stores.directory.fold import DAMAGED, TORN
from jobctl.stores.directory.fresh import read_new
from jobctl.stores.directory.journal import REFUSED
from jobctl.stores.directory.store import DirectoryStore
from tests.helpers import NOON, after, claim, ids, make_job, put, there
from tests.stores.fresh import end_of, settle, shut, told, write
from tests.stores.tools import (
    line,
    picture,
    reasons,
    rebuilt,
    records,
    segment,
)


def _note(store: DirectoryStore) -> None:
    with store.transaction() as tx:
        tx.add([make_job("new", priority=1)])
        tx.put(Note(PAUSE, "other", NOON, {}))


def _change(store: DirectoryStore) -> None:
    put(store, make_job("new", priority=1))
    with store.transaction() as tx:
        tx.save(transitions.cancel(there(tx, "old1"), NOON))


def _tombstone(store: DirectoryStore) -> None:
    put(store, make_job("new", priority=1), make_job("gone", priority=5))
    with store.transaction() as tx:
        tx.delete(there(tx, "gone"))


def _of_size(store: DirectoryStore) -> None:
    put(store, make_job("new", priority=1, data="x" * writer._NEW))


@pytest.mark.parametrize(
    "write_new",
    [
        _note,
        _change,
        _tombstone,
        _of_size,
        lambda store: put(store, make_job("new", run_at=after(-1), priority=1)),
        lambda store: put(store, make_job("new", after=("nobody",), priority=1)),
        lambda store: write(store, line(make_job("new", priority=1, seq=end_of(store) + 1))),
        lambda store: write(store, line(make_job("new", priority=1, rev=7, seq=end_of(store)))),
        lambda store: write(
            store, line(make_job("new", priority=1, attempts=1, seq=end_of(store)))
        ),
    ],
)
def test_other_lines_are_folded(
    daemon: DirectoryStore, user: DirectoryStore, write_new: Callable[[DirectoryStore], object]
) -> None:
    write_new(user)
    index = daemon.layout.index.stat().st_ino
    assert ids(claim(daemon)) == ["new"]
    assert told(daemon, "new")
    assert daemon.layout.index.stat().st_ino == index
    assert reasons(daemon.layout.root) == []
    assert picture(daemon) == picture(user) == rebuilt(daemon.layout.root)


@pytest.mark.parametrize(
    ("fields", "tx", "missing"),
    [
        ({}, (1, 2), 0),
        ({}, (1, 1), 1),
        ({"status": Status.CANCELLED, "finished_at": NOON}, (1, 1), 0),
    ],
)
def test_what_is_no_plain_add(
    user: DirectoryStore, fields: dict[str, Any], tx: tuple[int, int], missing: int
) -> None:
    seq = end_of(user)
    offset = seq - (1 << 32)
    write(user, line(make_job("new", seq=seq)))
    end = end_of(user) - (1 << 32)
    assert read_new(user.journal, 1, offset, end) is not None
    write(user, line(make_job("bad", seq=end_of(user), **fields), *tx))
    assert read_new(user.journal, 1, offset, end_of(user) - (1 << 32) + missing) is None


def _twice(store: DirectoryStore) -> None:
    put(store, make_job("new", priority=1))
    put(store, make_job("new", priority=2))


def _torn(store: DirectoryStore) -> None:
    write(store, line(make_job("half", seq=end_of(store)), 1, 2))
    write(store, line(make_job("new", seq=end_of(store), priority=1)))


@pytest.mark.parametrize(
    ("write_bad", "why", "first"),
    [
        (lambda store: write(store, b"{}\n"), DAMAGED, "old1"),
        (lambda store: write(store, line(make_job("new"))[:-9] + b"\n"), DAMAGED, "old1"),
        (lambda store: put(store, make_job("old2", priority=3)), REFUSED, "old1"),
        (lambda store: put(store, make_job("old0", priority=3)), REFUSED, "old1"),
        (_twice, REFUSED, "new"),
        (_torn, TORN, "new"),
    ],
)
def test_bad_lines_are_found(
    daemon: DirectoryStore,
    user: DirectoryStore,
    write_bad: Callable[[DirectoryStore], object],
    why: str,
    first: str,
) -> None:
    write_bad(user)
    put(user, make_job("last", priority=-1))
    found = ids(claim(daemon, 9))
    assert (found[0], found[-1], len(found)) == (first, "last", len(set(found)))
    assert reasons(daemon.layout.root) == [why]
    assert picture(daemon) == rebuilt(daemon.layout.root)


def test_a_record_that_nobody_can_read_stops_nothing(
    daemon: DirectoryStore, user: DirectoryStore
) -> None:
    text = b'{"kind":"job","id":"bad","name":"work","rev":1,"seq":%d' % end_of(user)
    write(user, lines.seal(text, 1, 1))
    put(user, make_job("new"))
    assert ids(claim(daemon, 9)) == ["old1", "old2", "old3", "new"]
    assert reasons(daemon.layout.root) == ["the record of job bad is damaged"]


def test_a_segment_of_the_same_size_is_another_one(
    daemon: DirectoryStore, user: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = segment(daemon.layout.root).stat().st_size
    seq = 2 << 32
    header = len(records(daemon.layout.root)[0])
    job = make_job("new", priority=1, data="", seq=seq + header)
    with monkeypatch.context() as patch:
        patch.setattr("jobctl.stores.directory.journal.SEGMENT_SIZE", 1)
        patch.setattr(writer, "_UNFOLDED", 1 << 62)  # as if he died before he folded it
        put(user, make_job("new", priority=1, data="x" * (size - header - len(line(job)))))
    assert segment(daemon.layout.root, 2).stat().st_size == size
    with daemon.transaction() as tx:
        assert tx.get("new") is not None
        assert ids(tx.claim(1, NOON)) == ["new"]


@pytest.mark.parametrize("claimed", [True, False])
def test_a_second_add_is_refused_though_only_the_lag_knows(
    daemon: DirectoryStore, user: DirectoryStore, claimed: bool
) -> None:
    put(user, make_job("new", priority=1))
    assert ids(claim(daemon, int(claimed))) == ["new"][:claimed]
    assert not told(daemon, "new")
    put(user, make_job("new", priority=5, data="another"))
    assert [job.data for job in claim(daemon)] == [{}]
    assert reasons(daemon.layout.root) == [REFUSED]
    assert there(daemon, "new").status is Status.RUNNING


def test_a_seq_has_one_owner(daemon: DirectoryStore, user: DirectoryStore) -> None:
    """A foreign line has the seq that the next add will have."""
    size = len(line(make_job("thief", seq=end_of(user))))
    write(user, line(make_job("thief", seq=end_of(user) + size)))
    assert claim(daemon, gate=shut) == []
    put(user, make_job("new", priority=9))
    assert ids(claim(daemon, 2)) == ["old1", "old2"]
    assert reasons(daemon.layout.root) == [REFUSED]
    assert picture(daemon) == rebuilt(daemon.layout.root)


def test_who_waits_for_it_waits_again(daemon: DirectoryStore, user: DirectoryStore) -> None:
    put(user, make_job("waits", after=("new",), priority=5))
    assert ids(claim(daemon, gate=lambda *_: Verdict.FULL)) == []
    put(user, make_job("new", priority=1))
    [job] = claim(daemon)
    assert job.id == "new"
    settle(daemon, job)
    assert ids(claim(daemon)) == ["waits"]
