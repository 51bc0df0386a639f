"""Build a report from a CSV file: totals by group, as a web page and as CSV.

    export REPORT_ROOT=/srv/reports
    python report_worker.py sales.csv region amount out/sales
    jobctl run --burst

The source is read line by line, so its size does not matter. All paths are below
REPORT_ROOT (by default the current directory). Both files appear whole or not at all, and
running the job again writes the same files.
"""

from __future__ import annotations

import csv
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from html import escape
from pathlib import Path
from typing import IO, Any, Unpack

import msgspec

from jobctl import Fail, JobOptions, Queue, handler

#: More groups than this are no report.
MOST_GROUPS = 10_000
#: Numbers from here on are taken for mistakes in the source.
TOO_LARGE = Decimal(10) ** 15

Row = tuple[str, ...]
HEADER: Row = ("group", "rows", "total", "mean", "least", "most")


class ReportData(msgspec.Struct, forbid_unknown_fields=True):
    """`source` is the CSV file, `output` the report's path without its ending."""

    source: str
    group_by: str
    value: str
    output: str
    title: str = "Report"


@dataclass
class Group:
    """What the rows of one group add up to."""

    rows: int = 0
    total: Decimal = Decimal(0)
    least: Decimal = TOO_LARGE
    most: Decimal = -TOO_LARGE

    def add(self, value: Decimal) -> None:
        """Count one row in."""
        self.rows += 1
        self.total += value
        self.least = min(self.least, value)
        self.most = max(self.most, value)

    def cells(self, name: str) -> Row:
        """Return the group as a row of the report."""
        numbers = (self.total, self.total / self.rows, self.least, self.most)
        return (name, str(self.rows), *(f"{number:.2f}" for number in numbers))


@dataclass
class Summary:
    """All groups, and the lines of the source that could not be read."""

    groups: dict[str, Group] = field(default_factory=dict)
    rows: int = 0
    skipped: list[int] = field(default_factory=list)

    def table(self) -> list[Row]:
        """Return the rows of the report, the groups in alphabetical order."""
        return [self.groups[name].cells(name) for name in sorted(self.groups)]


@handler("build-report", max_retries=2, timeout="30m")
def build_report(data: ReportData) -> dict[str, Any]:
    """Read the source and write OUTPUT.html and OUTPUT.csv."""
    source, output = _below_root(data.source), _below_root(data.output)
    summary = _read(source, data)
    if not summary.groups:
        raise Fail(f"{data.source} has no row with a number in {data.value!r}")
    output.parent.mkdir(parents=True, exist_ok=True)
    page, table = Path(f"{output}.html"), Path(f"{output}.csv")
    with _whole_file(page) as file:
        file.writelines(_page(data, summary))
    with _whole_file(table) as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows((_harmless(name), *rest) for name, *rest in summary.table())
    print(f"{summary.rows} rows, {len(summary.groups)} groups, {len(summary.skipped)} skipped")
    return {
        "rows": summary.rows,
        "groups": len(summary.groups),
        "skipped": len(summary.skipped),
        "skipped_lines": summary.skipped[:10],
        "files": [str(page), str(table)],
    }


def _read(source: Path, data: ReportData) -> Summary:
    try:
        with source.open(newline="", encoding="utf-8-sig") as file:
            return summarise(csv.DictReader(file), data)
    except FileNotFoundError as error:
        raise Fail(f"there is no file {data.source}") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise Fail(f"{data.source} is no CSV file in UTF-8: {error}") from error


def summarise(rows: csv.DictReader[str], data: ReportData) -> Summary:
    """Return the groups of a CSV file. Raises Fail if it lacks the columns."""
    columns = rows.fieldnames or []
    for column in (data.group_by, data.value):
        if column not in columns:
            raise Fail(f"{data.source} has no column {column!r}: {', '.join(columns)}")
    summary = Summary()
    for row in rows:
        summary.rows += 1
        value = _number(row[data.value])
        if value is None or row[data.group_by] is None:
            summary.skipped.append(rows.line_num)
            continue
        group = summary.groups.setdefault(row[data.group_by], Group())
        group.add(value)
        if len(summary.groups) > MOST_GROUPS:
            raise Fail(f"{data.group_by!r} has over {MOST_GROUPS} values: group by another")
    return summary


def _number(text: str | None) -> Decimal | None:
    try:
        number = Decimal((text or "").strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number) < TOO_LARGE else None


def _page(data: ReportData, summary: Summary) -> Iterator[str]:
    """Return the page, piece by piece; what came from the source is escaped."""
    title = escape(data.title)
    yield f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{title}</title>\n'
    yield f"<h1>{title}</h1>\n<p>{summary.rows:,} rows of {escape(data.source)}"
    yield f", {len(summary.skipped):,} of them without a number</p>\n<table>\n"
    yield _table_row("th", (data.group_by, *HEADER[1:]))
    for row in summary.table():
        yield _table_row("td", row)
    yield "</table>\n</html>\n"


def _table_row(tag: str, cells: Row) -> str:
    return f"<tr>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in cells)}</tr>\n"


def _harmless(text: str) -> str:
    """Return text that a spreadsheet does not take for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _below_root(path: str) -> Path:
    root = Path(os.environ.get("REPORT_ROOT", ".")).resolve()
    full = (root / path).resolve()
    if root not in full.parents:
        raise Fail(f"{path!r} is not below {root}")
    return full


@contextmanager
def _whole_file(path: Path) -> Iterator[IO[str]]:
    """Write a file that takes its name when it is complete and on the disk."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(handle, "w", newline="", encoding="utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        # mkstemp's files are for the owner alone, and a report is to be read.
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def enqueue_report(
    source: str,
    group_by: str,
    value: str,
    output: str,
    *,
    title: str = "Report",
    **options: Unpack[JobOptions],
) -> str:
    """Add a report to the queue and return the job's id."""
    data = ReportData(source, group_by, value, output, title)
    return Queue().add("build-report", data, **options)


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit("usage: python report_worker.py SOURCE GROUP_BY VALUE OUTPUT")
    print(enqueue_report(*sys.argv[1:]))
