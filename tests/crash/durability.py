"""The table of docs/durability.md, made of what the crash tests have written down.

`make crash-test` runs this when they have ended. It fails if anything was lost, if a point was
left out or if a mutant survived.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

from tests.crash.results import Record, forget, records
from tests.helpers import ROOT

DOCUMENT = ROOT / "docs" / "durability.md"
BEGIN = "<!-- made by `make crash-test` -->"
END = "<!-- end of what is made -->"
HEAD = """\
| fault | on | operations | points tried | acknowledged | lost | mutants found out |
|---|---|---|---|---|---|---|
"""
#: What the tests call a fault, and what the table does, in its order. Others follow; those that
#: begin with the same words, up to a comma, share a row.
FAULTS = {
    "kill": "`kill -9` at each system call",
    "tear": "`kill -9` within a write, after each byte",
    "error": "a call fails: EIO, ENOSPC, EDQUOT, EFBIG, EINTR",
    "command": "the same, as a terminal shows it",
    "short": "a write writes a part, then the rest or nothing",
    "limit": "no file may grow beyond a size, to the byte",
    "pair": "one of two who add at once: a kill or an error at each call",
    "full": "a disk with 0 to 24 free pages",
}


class Row:
    """What came of a fault on one kind of file system."""

    def __init__(self, where: str, found: list[Record]) -> None:
        self.fault = _name([one.fault for one in found if one.of] or [found[0].fault])
        self.where = where
        self.operations = list(dict.fromkeys(one.operation for one in found if one.of))
        self.points = sum(one.points for one in found)
        self.of = sum(one.of for one in found)
        self.acknowledged = sum(one.acknowledged for one in found)
        self.lost = sum(one.lost for one in found)
        mutants = [one.mutants for one in found if one.mutants is not None]
        self.found, self.tried = (sum(pair[n] for pair in mutants) for n in (0, 1))

    def __str__(self) -> str:
        cells = [
            self.fault,
            self.where,
            ", ".join(sorted(self.operations)),
            f"{self.points:,} of {self.of:,}",
            f"{self.acknowledged:,}",
            f"{self.lost:,}",
            f"{self.found} of {self.tried}",
        ]
        return f"| {' | '.join(cells)} |\n"

    def faults(self) -> list[str]:
        """Return what does not hold."""
        name = f"{self.fault} on {self.where}"
        found = []
        if self.lost:
            found.append(f"{name}: {self.lost} lost")
        if not 0 < self.points == self.of:
            found.append(f"{name}: {self.points} points of {self.of}")
        if not 0 < self.found == self.tried:
            found.append(f"{name}: {self.found} mutants of {self.tried}")
        return found


def rows(found: Iterable[Record]) -> list[Row]:
    """Return the rows of the table. Mutants need not say on what disk they were found out."""
    by_family: dict[str, dict[str, list[Record]]] = {fault: {} for fault in FAULTS}
    for one in found:
        family = one.fault.partition(",")[0]
        by_family.setdefault(family, {}).setdefault(one.where, []).append(one)
    made = []
    for family, places in by_family.items():
        anywhere = places.pop("", [])
        tried = {where: some for where, some in places.items() if any(one.of for one in some)}
        # A mutant may have been found out on another disk than that of all points.
        for where in places.keys() - tried.keys():
            anywhere += places[where]
        made += [Row(where, [*some, *anywhere]) for where, some in sorted(tried.items())]
        if not tried:
            made.append(Row("nothing", [Record(family, "", "", 0, 0, 0, 0), *anywhere]))
    return made


def _name(faults: list[str]) -> str:
    """Return what a row calls its faults: one, or several that begin with the same words."""
    several = list(dict.fromkeys(faults))
    if len(several) < 2:
        return FAULTS.get("".join(several), "".join(several))
    parts = [fault.partition(", ") for fault in several]
    return f"{parts[0][0]}: {', '.join(sorted(part[2] for part in parts))}"


def main(arguments: list[str]) -> int:
    """Begin a run (`begin`), or write its table."""
    if arguments == ["begin"]:
        forget()
        return 0
    made = rows(records())
    table = HEAD + "".join(map(str, made))
    wrong = [fault for row in made for fault in row.faults()]
    print(table + "\n".join(wrong))
    if wrong:
        return 1
    before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    DOCUMENT.write_text(f"{before}{BEGIN}\n{table}{END}{after}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
