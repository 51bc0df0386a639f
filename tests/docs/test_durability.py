"""The table of docs/durability.md says that everything was tried and nothing lost."""

from __future__ import annotations

import re
from collections.abc import Collection

import pytest

from tests.crash.durability import BEGIN, DOCUMENT, END, FAULTS, HEAD, rows
from tests.crash.results import Record
from tests.crash.store_steps import COMMANDS, STEPPED
from tests.helpers import ROOT


def lines() -> list[str]:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text.count(BEGIN) == text.count(END) == 1
    return text.partition(BEGIN)[2].partition(END)[0].strip().splitlines()


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_it_has_all_faults() -> None:
    head, rule, *body = lines()
    assert f"{head}\n{rule}\n" == HEAD
    assert set(FAULTS.values()) <= {cells(line)[0] for line in body}


@pytest.mark.parametrize("line", lines()[2:], ids=lambda line: "-".join(cells(line)[:2]))
def test_each_row_says_n_of_n(line: str) -> None:
    _, where, operations, points, acknowledged, lost, mutants = cells(line)
    assert where
    assert operations
    for pair in (points, mutants):
        tried, of = re.fullmatch(r"([\d,]+) of ([\d,]+)", pair).groups()  # type: ignore[union-attr]
        assert tried == of != "0"
    assert int(acknowledged.replace(",", "")) > 0
    assert lost == "0"


@pytest.mark.parametrize(
    ("fault", "operations"), [("kill", STEPPED), ("error", STEPPED), ("command", COMMANDS)]
)
def test_all_operations_are_in_it(fault: str, operations: Collection[str]) -> None:
    found = [cells(line)[2] for line in lines()[2:] if cells(line)[0] == FAULTS[fault]]
    assert set(", ".join(found).split(", ")) >= set(operations)


def test_the_readme_leads_to_it() -> None:
    assert "(docs/durability.md)" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_what_does_not_hold_is_said() -> None:
    good = Record("kill", "add", "ext4", 3, 3, 5, 0)
    mutant = Record("kill", "add", "", 0, 0, 0, 0, (1, 1))
    [row] = [row for row in rows([good, mutant]) if row.where == "ext4"]
    assert row.faults() == []
    assert "| add | 3 of 3 | 5 | 0 | 1 of 1 |" in str(row)
    for bad in (
        Record("kill", "add", "ext4", 3, 3, 5, 1),
        Record("kill", "add", "ext4", 3, 4, 5, 0),
        Record("kill", "add", "ext4", 3, 3, 5, 0, (0, 1)),
    ):
        [row] = [row for row in rows([good, mutant, bad]) if row.where == "ext4"]
        assert len(row.faults()) == 1
    [row] = [row for row in rows([good]) if row.where == "ext4"]
    assert row.faults() == [f"{FAULTS['kill']} on ext4: 0 mutants of 0"]
    assert len(rows([good, mutant])) == len(FAULTS), "what was not tried is said too"
    assert all(row.faults() for row in rows([]))


def test_faults_of_one_kind_share_a_row() -> None:
    cuts = [
        Record(f"power cut, log {how}", "add", kind, 3, 3, 5, 0, (1, 1))
        for how in ("dropped", "flushed")
        for kind in ("ext4", "xfs")
    ]
    made = rows(cuts)[len(FAULTS) :]
    assert [(row.fault, row.where, row.points, row.found) for row in made] == [
        ("power cut: log dropped, log flushed", "ext4", 6, 2),
        ("power cut: log dropped, log flushed", "xfs", 6, 2),
    ]
