"""The golden table: what each schedule does, row by row, with the reason for the row.

The rows are data, checked by hand, with cronsim and minute by minute; nothing here makes
them anew. All are of years that time zone rules no longer change for.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from jobctl.core.schedule import Schedule, declare, next_tick, ticks

ROWS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "data/schedules.json").read_text()
)
IDS = [f"{row['zone']} {row['cron']} {row['from'][:10]}" for row in ROWS]


def schedule(row: dict[str, Any]) -> Schedule:
    return declare("golden", {"cron": row["cron"], "job": "job"}, timezone=row["zone"])


def test_the_table_is_as_large_as_it_should_be() -> None:
    assert len(ROWS) >= 40
    assert all(len(row["ticks"]) == 20 and row["why"] for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_a_row_comes_as_it_stands(row: dict[str, Any]) -> None:
    begin = datetime.fromisoformat(row["from"]).astimezone(UTC)
    want = [datetime.fromisoformat(text).astimezone(UTC) for text in row["ticks"]]
    assert list(ticks(schedule(row), begin, cap=20)) == want, row["why"]


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_a_row_comes_the_same_from_anywhere_between(row: dict[str, Any]) -> None:
    want = [datetime.fromisoformat(text).astimezone(UTC) for text in row["ticks"]]
    for one, following in pairwise(want):
        for share in (0.0, 0.3, 0.6, 0.99):
            assert next_tick(schedule(row), one + (following - one) * share) == following
