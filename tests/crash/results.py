"""What the crash tests have tried, and what came of it: a line of JSON for each of them.

`python -m tests.crash.durability` makes the table of docs/durability.md of these lines.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

#: Where the records of a run stand, one file a process: pytest has several at once.
FOLDER = Path(__file__).parents[2] / "artefacts" / "crash"


class Record(msgspec.Struct, frozen=True):
    """What one test came to. `where` is the kind of file system, if that matters.

    `points` of the `of` places where the fault could strike were tried; `acknowledged` is
    how many changes were acknowledged in these runs, and `lost` how many of them were not
    there afterwards. `mutants` says how many stores with a protection taken out were tried,
    and how many of them were found out.
    """

    fault: str
    operation: str
    where: str
    points: int
    of: int
    acknowledged: int
    lost: int
    mutants: tuple[int, int] | None = None  # found out, tried


def record(
    fault: str,
    operation: str,
    *,
    where: str = "",
    points: int,
    of: int,
    acknowledged: int,
    lost: int,
    mutants: tuple[int, int] | None = None,
) -> None:
    """Write down what a test came to."""
    counts = None if mutants is None else (int(mutants[0]), int(mutants[1]))
    line = Record(fault, operation, where, points, of, acknowledged, lost, counts)
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / f"{os.getpid()}.jsonl").open("ab") as file:
        file.write(msgspec.json.encode(line) + b"\n")


def records() -> list[Record]:
    """Return what was written down since `forget`."""
    return [
        msgspec.json.decode(line, type=Record)
        for file in sorted(FOLDER.glob("*.jsonl"))
        for line in file.read_bytes().splitlines()
    ]


def forget() -> None:
    """Begin a new run: what was written down before is gone."""
    for file in FOLDER.glob("*.jsonl"):
        file.unlink()
