"""What the index answers of a filter by itself, and how it gets there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobctl.core.filters import Filter
from jobctl.core.store import AnyJob
from jobctl.stores.directory.rows import Row
from jobctl.stores.directory.selections import FEW, MOST_ALIKE, Plan
from jobctl.stores.directory.store import DirectoryStore
from tests.contract.test_select import FILTERS, NOW, populate
from tests.helpers import make_job, put, there

#: Fields that the index knows; of tags and keys it says most of what may be asked.
KNOWN = {
    "id", "name", "status", "priority", "attempts", "created", "run_at", "started",
    "finished", "duration",
}  # fmt: skip
UNKNOWN = {"data", "error", "worker", "outcome", "schedule", "shell", "after", "timeout"}


def plan_of(store: DirectoryStore, text: str) -> Plan:
    return store._reader.ask(lambda index: index.plan(Filter.parse(text), NOW))


def tables(store: DirectoryStore, text: str) -> set[str]:
    return {run.tables for run in plan_of(store, text).runs}


def test_records_are_read_only_where_the_index_cannot_tell(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "store")
    populate(store)
    for text in FILTERS:
        fields = {term.field for term in Filter.parse(text).terms}
        exact = plan_of(store, text).exact
        if fields <= KNOWN:
            assert exact or "id:*0*5*" in text, text
        if fields & UNKNOWN:
            assert not exact, text
    for text in ("tag:eu,us", "tag!=slow", "tag:e*", "tag:*", "key:k", "key!=*"):
        assert plan_of(store, text).exact, text
    store.close()


@pytest.mark.parametrize(
    ("text", "table"),
    [
        ("", "jobs NOT INDEXED"),
        ("priority>1", "jobs NOT INDEXED"),
        ("id:a,b status:pending", "jobs INDEXED BY by_id"),
        ("id:a*", "jobs INDEXED BY by_id"),
        ("id:j*", "jobs NOT INDEXED"),
        ("tag:eu", "tags CROSS JOIN jobs ON jobs.seq = tags.seq"),
        ("tag:eu status:pending", "tags CROSS JOIN jobs ON jobs.seq = tags.seq"),
        ("tag:eu name:rare", "jobs INDEXED BY by_name"),
        ("tag!=eu", "jobs NOT INDEXED"),
        ("name:w*", "jobs INDEXED BY by_name"),
        ("name!=rare status:pending", "jobs INDEXED BY by_name"),
        ("status:pending,failed", "jobs INDEXED BY by_status"),
    ],
)
def test_the_way_to_the_jobs(text: str, table: str, crowd: DirectoryStore) -> None:
    assert tables(crowd, text) == {table}


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DirectoryStore]:
    """Many jobs of one name, and a few of another."""
    store = DirectoryStore(tmp_path_factory.mktemp("crowd") / "store")
    put(store, *(make_job(f"j{n}") for n in range(max(FEW, MOST_ALIKE) + 1)))
    put(store, make_job("a", tags=("eu",)), make_job("b", name="rare", tags=("eu",)))
    yield store
    store.close()


def test_a_deep_offset_is_skipped_in_the_table(
    crowd: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for text in ("name:*", "tag:eu,x", "status:pending,failed name!=x"):
        wanted = Filter.parse(text)
        monkeypatch.undo()
        right = crowd.select(wanted, NOW, limit=3, offset=1)
        monkeypatch.setattr("jobctl.stores.directory.selections.DEEP", 0)
        assert crowd.select(wanted, NOW, limit=3, offset=1) == right


@pytest.mark.parametrize(
    "text", ["data:nothing", "error~x name:*", "priority>7", "tag:eu data:1"]
)
def test_a_bounded_page_looks_at_some_jobs_only(
    text: str, crowd: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobctl.stores.directory.choosing.WINDOW", 100)
    read: list[Row] = []
    record = crowd._reader._record

    def counted(row: Row) -> AnyJob | None:
        read.append(row)
        return record(row)

    monkeypatch.setattr(crowd._reader, "_record", counted)
    page = crowd.select(Filter.parse(text), NOW, limit=5, bounded=True)
    assert page.jobs == []
    assert len(read) <= 101
    assert (page.after is None) == ("tag" in text)
    rest = crowd.select(Filter.parse(text), NOW, limit=5, after=page.after)
    assert (rest.jobs, rest.after) == ([], None)


@pytest.mark.parametrize(("newest", "last"), [(True, "b7"), (False, "a2")])
def test_the_edge_is_that_of_the_run_whose_jobs_are_nearest(
    newest: bool, last: str, tmp_path: Path
) -> None:
    store = DirectoryStore(tmp_path / "store")
    put(store, *(make_job(f"a{n}", name="a") for n in range(10)))
    put(store, *(make_job(f"b{n}", name="b") for n in range(10)))
    plan = plan_of(store, "name:a,b")
    edge = store._reader.ask(lambda index: index.edge(plan, newest=newest, after=None, span=4))
    assert edge == there(store, last).seq
    store.close()


def test_nobody_is_there_of_an_unknown_name(crowd: DirectoryStore) -> None:
    assert plan_of(crowd, "name:nobody").runs == []
    assert crowd.select(Filter.parse("name:nobody"), NOW).jobs == []


def test_jobs_without_tags_leave_no_trace_in_the_table_of_tags(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "store")
    put(store, make_job("a"), make_job("b", tags=("x", "y")), make_job("c"))
    rows = store._reader.ask(lambda index: index.execute("SELECT tag FROM tags").fetchall())
    assert rows == [("x",), ("y",)]
    store.close()
