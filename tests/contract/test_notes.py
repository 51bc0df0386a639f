"""What a store keeps beside its jobs."""

from __future__ import annotations

from contextlib import suppress

from jobctl.core.note import EVERYTHING, PAUSE, TICK, Note
from jobctl.core.store import Store
from tests.helpers import after, claim, ids, make_job, put


def note(key: str, seconds: int = 0, topic: str = TICK, **value: object) -> Note:
    return Note(topic, key, after(seconds), value)


def write(store: Store, *notes: Note) -> None:
    with store.transaction() as tx:
        for one in notes:
            tx.put(one)


def drop(store: Store, topic: str, key: str) -> None:
    with store.transaction() as tx:
        tx.drop(topic, key)


def keys(notes: object) -> list[str]:
    assert isinstance(notes, list)
    return [one.key for one in notes]


def test_a_note_is_there_until_it_is_dropped(store: Store) -> None:
    write(store, note("a", 3, n=1))
    assert store.notes(TICK) == [note("a", 3, n=1)]
    write(store, note("a", 4, n=[2, None, "ä"]))
    assert store.notes(TICK) == [note("a", 4, n=[2, None, "ä"])]
    drop(store, TICK, "a")
    assert store.notes(TICK) == []
    drop(store, TICK, "a")


def test_a_transaction_sees_its_own_notes(store: Store) -> None:
    write(store, note("old"), note("other"))
    with store.transaction() as tx:
        tx.put(note("new", n=1))
        tx.put(note("new", n=2))
        tx.drop(TICK, "old")
        assert tx.note(TICK, "new") == note("new", n=2)
        assert tx.note(TICK, "old") is None
        assert tx.note(TICK, "other") == note("other")
        assert tx.note(PAUSE, "other") is None
    assert keys(store.notes(TICK)) == ["new", "other"]


def test_notes_of_a_transaction_that_fails_are_not_there(store: Store) -> None:
    write(store, note("a"))
    with suppress(ZeroDivisionError), store.transaction() as tx:
        tx.put(note("b"))
        tx.drop(TICK, "a")
        raise ZeroDivisionError
    assert keys(store.notes(TICK)) == ["a"]


def test_notes_stand_in_the_order_of_their_keys(store: Store) -> None:
    write(store, *(note(key) for key in ("b@2", "a@9", "b@1", "c@1", "b@3", "bb@1")))
    write(store, note("b@0", topic=PAUSE))
    assert keys(store.notes(TICK)) == ["a@9", "b@1", "b@2", "b@3", "bb@1", "c@1"]
    assert keys(store.notes(TICK, "b@")) == ["b@1", "b@2", "b@3"]
    assert keys(store.notes(TICK, "b@", newest=True, limit=2)) == ["b@3", "b@2"]
    assert keys(store.notes(TICK, limit=2)) == ["a@9", "b@1"]
    assert keys(store.notes(TICK, "x")) == []


def test_notes_by_their_time(store: Store) -> None:
    write(store, note("c", 1), note("a", 3), note("b", 2), note("x", 0, PAUSE))
    assert keys(store.notes_before(TICK, after(3), 9)) == ["c", "b"]
    assert keys(store.notes_before(TICK, after(9), 2)) == ["c", "b"]
    assert keys(store.notes_before(TICK, after(1), 9)) == []


def test_notes_and_jobs_of_one_transaction(store: Store) -> None:
    with store.transaction() as tx:
        tx.put(note("a"))
        tx.add([make_job("a")])
        tx.put(note("b"))
    assert keys(store.notes(TICK)) == ["a", "b"]
    assert ids(store.list()) == ["a"]
    assert store.stats().total == 1


def pause(store: Store, name: str) -> None:
    write(store, note(name, topic=PAUSE))


def test_a_paused_name_rests_until_it_is_resumed(store: Store) -> None:
    put(store, *(make_job(f"{name}{n}", name=name) for n in range(3) for name in "ab"))
    assert ids(claim(store, 2)) == ["a0", "b0"]
    pause(store, "a")
    assert ids(claim(store, 9)) == ["b1", "b2"]
    put(store, make_job("a9", name="a"), make_job("b9", name="b"))
    assert ids(claim(store, 9)) == ["b9"]
    assert claim(store, 9) == []
    drop(store, PAUSE, "a")
    assert ids(claim(store, 9)) == ["a1", "a2", "a9"]


def test_a_name_can_be_paused_before_it_has_jobs(store: Store) -> None:
    assert claim(store) == []
    pause(store, "a")
    put(store, make_job("a", name="a"), make_job("b", name="b"))
    assert ids(claim(store, 9)) == ["b"]
    drop(store, PAUSE, "a")
    assert ids(claim(store, 9)) == ["a"]


def test_all_rest_while_everything_is_paused(store: Store) -> None:
    put(store, make_job("a", name="a"), make_job("b", name="b", run_at=after(5)))
    pause(store, EVERYTHING)
    assert claim(store, 9, after(9)) == []
    assert store.oldest_due(after(9)) is None
    pause(store, "b")
    drop(store, PAUSE, EVERYTHING)
    assert ids(claim(store, 9, after(9))) == ["a"]
    drop(store, PAUSE, "b")
    assert ids(claim(store, 9, after(9))) == ["b"]


def test_the_longest_waiting_of_a_paused_name_waits_too(store: Store) -> None:
    put(store, make_job("old", name="shut", priority=-9))
    put(store, *(make_job(f"{n:02}", created_at=after(1)) for n in range(15)))
    pause(store, "shut")
    assert ids(claim(store, 12)) == [f"{n:02}" for n in range(12)]


def test_a_pause_holds_within_its_own_transaction(store: Store) -> None:
    put(store, make_job("a", name="a"), make_job("b", name="b"))
    with store.transaction() as tx:
        tx.put(note("a", topic=PAUSE))
        assert ids(tx.claim(9, after(1))) == ["b"]
    with store.transaction() as tx:
        tx.drop(PAUSE, "a")
        assert ids(tx.claim(9, after(1))) == ["a"]


def test_a_pause_that_is_rolled_back_did_not_happen(store: Store) -> None:
    put(store, make_job("a", name="a"), make_job("b", name="a"))
    assert ids(claim(store)) == ["a"]
    with suppress(ZeroDivisionError), store.transaction() as tx:
        tx.put(note("a", topic=PAUSE))
        assert tx.claim(9, after(1)) == []
        raise ZeroDivisionError
    assert ids(claim(store)) == ["b"]


def test_the_oldest_due_is_not_paused(store: Store) -> None:
    put(store, make_job("old", name="shut", created_at=after(1)))
    put(store, make_job("late", name="shut", run_at=after(2)))
    put(store, make_job("new", created_at=after(3)))
    pause(store, "shut")
    found = store.oldest_due(after(9))
    assert found is not None
    assert found.id == "new"


def test_many_jobs_of_a_paused_name_in_front_change_nothing(store: Store) -> None:
    put(store, *(make_job(f"s{n}", name="shut", priority=9) for n in range(3000)))
    put(store, make_job("open"))
    pause(store, "shut")
    assert ids(claim(store, 9)) == ["open"]
    assert store.stats().pending == 3000
