"""Claims in the order of the reference store, over more jobs than lanes keep in memory."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from jobctl.core.job import Ending, Options, Outcome, finish
from jobctl.core.store import Store, Verdict
from jobctl.stores.directory.store import DirectoryStore
from jobctl.stores.memory import MemoryStore
from tests.helpers import after, claim, ids, make_job, put


def _fill(store: Store, count: int) -> None:
    dice = random.Random(7)
    put(
        store,
        *(
            make_job(
                f"{n:04}",
                name=dice.choice("abc"),
                concurrency_key=dice.choice([None, "k", "l"]),
                priority=dice.randrange(3),
                created_at=after(dice.randrange(500)),
                run_at=after(dice.randrange(900)) if dice.random() < 0.2 else None,
            )
            for n in range(count)
        ),
    )


@pytest.mark.parametrize(
    ("count", "step", "shut"), [(1500, 1500, ""), (300, 7, ""), (300, 300, "k"), (300, 30, "l")]
)
def test_as_the_reference_store(count: int, step: int, shut: str, tmp_path: Path) -> None:
    def gate(name: str, key: str | None, shell: bool) -> Verdict:
        return Verdict.CLOSED if key == shut else Verdict.TAKE

    orders = []
    for store in (MemoryStore(), DirectoryStore(tmp_path / "store")):
        _fill(store, count)
        order: list[str] = []
        while found := claim(store, step, after(999), gate):
            order += ids(found)
        orders.append(order)
        store.close()
    assert orders[0] == orders[1]


def test_shell_jobs_stand_in_lanes_of_their_own_after_a_reload(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "store")
    put(
        store,
        *(make_job(f"a{n}", shell={"argv": ["x"]} if n % 2 else None) for n in range(6)),
        make_job("late", shell={"argv": ["x"]}, run_at=after(5)),
    )
    store.close()

    def gate(name: str, key: str | None, shell: bool) -> Verdict:
        return Verdict.TAKE if shell else Verdict.NAME_CLOSED

    again = DirectoryStore(tmp_path / "store")
    assert ids(claim(again, 9, after(9), gate)) == ["a1", "a3", "a5", "late"]
    assert ids(claim(again, 9, after(9))) == ["a0", "a2", "a4"]
    again.close()


def test_a_job_that_is_given_back_is_claimed_again_however_long_its_lane_is(
    tmp_path: Path,
) -> None:
    store = DirectoryStore(tmp_path / "store")
    put(store, make_job("last", priority=-1, created_at=after(-9)))
    put(store, *(make_job(f"{n:04}") for n in range(600)))
    assert "last" in ids(claim(store, 10))  # it has waited longest
    with store.transaction() as tx:
        job = tx.get("last")
        assert job is not None
        assert tx.settle([finish(job, Ending(Outcome.RELEASED, after(1)), Options())]) == []
        found = ids(tx.claim(600, after(1)))
    assert len(found) == 592
    assert "last" in found
    store.close()
