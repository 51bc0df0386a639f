"""The report example on real files."""

from __future__ import annotations

import csv
import random
from decimal import Decimal
from pathlib import Path

import pytest

from examples.report_worker import ReportData
from jobctl.core.retry import Fail
from jobctl.runtime.validation import InvalidData
from tests.examples.conftest import RunJob

SALES = ReportData("sales.csv", "region", "amount", "out/sales", "Sales & more")


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    monkeypatch.setenv("REPORT_ROOT", str(folder))
    return folder


def write(root: Path, text: str, encoding: str = "utf-8") -> None:
    (root / "sales.csv").write_text(text, encoding=encoding)


def table(root: Path) -> list[list[str]]:
    with (root / "out/sales.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_a_source_of_some_size(root: Path, run_job: RunJob) -> None:
    chance = random.Random(7)
    totals: dict[str, Decimal] = {}
    with (root / "sales.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "region", "note", "amount"))
        for number in range(50_000):
            region = chance.choice(("north", "south", "<b>east</b>", "=2+3"))
            amount = Decimal(chance.randrange(-5_000, 100_000)) / 100
            totals[region] = totals.get(region, Decimal(0)) + amount
            writer.writerow((number, region, 'a "quoted",\nnote', amount))
    result = run_job("build-report", SALES)
    assert (result["rows"], result["groups"], result["skipped"]) == (50_000, 4, 0)
    rows = {row[0]: row for row in table(root)[1:]}
    assert {name.lstrip("'"): Decimal(row[2]) for name, row in rows.items()} == totals
    assert sum(int(row[1]) for row in rows.values()) == 50_000
    assert "'=2+3" in rows  # no formula for whoever opens it
    page = (root / "out/sales.html").read_text(encoding="utf-8")
    assert "<title>Sales &amp; more</title>" in page
    assert "&lt;b&gt;east" in page
    assert "<b>" not in page
    assert f"<td>{totals['north']:.2f}</td>" in page


def test_the_numbers_of_a_group(root: Path, run_job: RunJob) -> None:
    write(root, "region,amount\na,1.10\na, 2.20 \na,-0.3\nb,1e2\n", encoding="utf-8-sig")
    run_job("build-report", SALES)
    assert table(root) == [
        ["group", "rows", "total", "mean", "least", "most"],
        ["a", "3", "3.00", "1.00", "-0.30", "2.20"],
        ["b", "1", "100.00", "100.00", "100.00", "100.00"],
    ]


def test_lines_without_a_number_are_counted_and_named(root: Path, run_job: RunJob) -> None:
    write(root, "region,amount\na,1\na,x\na\na,\na,nan\na,1e999999\na,2\n")
    result = run_job("build-report", SALES)
    assert result["rows"] == 7
    assert result["skipped_lines"] == [3, 4, 5, 6, 7]


def test_running_it_again_writes_the_same_and_leaves_nothing(
    root: Path, run_job: RunJob
) -> None:
    write(root, "region,amount\na,1\n")
    first = run_job("build-report", SALES)
    contents = [Path(name).read_bytes() for name in first["files"]]
    assert run_job("build-report", SALES) == first
    assert [Path(name).read_bytes() for name in first["files"]] == contents
    assert sorted(path.name for path in (root / "out").iterdir()) == ["sales.csv", "sales.html"]


def test_a_report_that_breaks_off_leaves_the_old_one(
    root: Path, run_job: RunJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(root, "region,amount\na,1\n")
    run_job("build-report", SALES)
    before = (root / "out/sales.html").read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    write(root, "region,amount\na,2\n")
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        run_job("build-report", SALES)
    assert (root / "out/sales.html").read_bytes() == before
    assert sorted(path.name for path in (root / "out").iterdir()) == ["sales.csv", "sales.html"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("region,price\na,1\n", "has no column 'amount': region, price"),
        ("", "has no column 'region'"),
        ("region,amount\na,x\n", "has no row with a number in 'amount'"),
        ("region,amount\n" + "a" * 200_000 + ",1\n", "is no CSV file in UTF-8: field larger"),
    ],
)
def test_a_source_that_gives_no_report(
    root: Path, run_job: RunJob, text: str, message: str
) -> None:
    write(root, text)
    with pytest.raises(Fail, match=message):
        run_job("build-report", SALES)
    assert not (root / "out").exists()


def test_a_source_that_is_no_text(root: Path, run_job: RunJob) -> None:
    (root / "sales.csv").write_bytes(b"region,amount\n\xff\xfe,1\n")
    with pytest.raises(Fail, match="is no CSV file in UTF-8"):
        run_job("build-report", SALES)


def test_too_many_groups(root: Path, run_job: RunJob) -> None:
    lines = "".join(f"{number},1\n" for number in range(10_001))
    write(root, f"region,amount\n{lines}")
    with pytest.raises(Fail, match="over 10000 values"):
        run_job("build-report", SALES)


@pytest.mark.parametrize("field", ["source", "output"])
@pytest.mark.parametrize("path", ["../up", "/etc/passwd", ".", "link/up"])
def test_no_path_leaves_the_root(root: Path, run_job: RunJob, field: str, path: str) -> None:
    write(root, "region,amount\na,1\n")
    (root / "link").symlink_to("..")
    fields = {name: getattr(SALES, name) for name in SALES.__struct_fields__}
    with pytest.raises(Fail, match="is not below"):
        run_job("build-report", {**fields, field: path})


def test_a_source_that_is_not_there(run_job: RunJob) -> None:
    with pytest.raises(Fail, match=r"there is no file sales\.csv"):
        run_job("build-report", SALES)


def test_a_misspelt_field_is_named(run_job: RunJob) -> None:
    with pytest.raises(InvalidData, match=r"data\.vlaue: no such field|data\.value: required"):
        run_job(
            "build-report",
            {"source": "a", "group_by": "b", "vlaue": "c", "value": "c", "output": "d"},
        )
