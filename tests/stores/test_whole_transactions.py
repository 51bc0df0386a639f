"""Which lines count: those of whole transactions, one behind the other."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from jobctl.stores.directory import fold
from jobctl.stores.directory.store import DirectoryStore
from tests.helpers import make_job, put
from tests.stores.tools import line, reasons, segment

#: The places of lines in their transactions (k of n, 0 of a damaged one), and which count.
CASES = [
    ("1/1 1/1", "01"),
    ("1/2 2/2 1/1", "012"),
    ("1/2 2/3 1/1", "2"),
    ("1/2 2/3 3/3 1/1", "3"),
    ("2/2 1/1", "1"),
    ("1/3 2/3 1/2 2/2", "23"),
    ("1/3 2/3 0/0 3/3 1/1", "4"),
    ("1/2 2/2 2/2 1/1", "013"),
    ("1/2 1/2 2/2", "12"),
    ("1/0 1/1", "1"),
    ("1/0 2/0 1/1", "2"),
    ("0/0 1/1 0/0 1/1", "13"),
]


@pytest.mark.parametrize("step", [1, 2, 1000])
@pytest.mark.parametrize(("places", "counts"), CASES)
def test_lines_of_whole_transactions_count_and_no_others(
    places: str, counts: str, step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fold, "STEP", step)
    path = tmp_path / "store"
    with closing(DirectoryStore(path)) as store:
        put(store, make_job("first"))
        with segment(path).open("ab") as file:
            for number, place in enumerate(places.split()):
                k, n = map(int, place.split("/"))
                text = line(make_job(str(number), seq=(1 << 40) + number), k, n)
                file.write(text if k else text.replace(b'"work"', b'"w0rk"'))
        assert {job.id for job in store.list()} == {"first", *counts}
        damaged = places.count("0/0")
        torn = len(places.split()) - len(counts) - damaged
    assert sorted(reasons(path)) == [fold.TORN] * torn + [fold.DAMAGED] * damaged
