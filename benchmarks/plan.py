"""What is measured: for each measurement what its script is told, and for how long."""

from __future__ import annotations

from typing import NamedTuple

from benchmarks.tools import Tool


class Measurement(NamedTuple):
    """One call of a tool's script, with its name and that of its group.

    Its size is `seconds` of what the tool adds (`rate` is adds) or drains, or `size` jobs;
    what lasts for a time is told so by a flag.
    With `of` it is asked of these alone. A `brief` one is asked of every setting; `once` is
    not taken again in later rounds; `together` is taken of all tools at once: nobody is in
    the way of one that sleeps.
    """

    group: str
    name: str
    call: str
    flags: tuple[str, ...] = ()
    rate: str = ""
    seconds: float = 1.0
    size: int = 0
    of: tuple[str, ...] = ()
    brief: bool = False
    once: bool = False
    together: bool = False

    @property
    def names(self) -> set[str]:
        """Return by which names it can be asked for."""
        return {self.group, self.name}

    def arguments(self, tool: Tool, quick: bool) -> list[str]:
        """Return what the tool's script is told."""
        if self.rate:
            rate = tool.adds if self.rate == "adds" else tool.drains
            size = max(int(rate * self.seconds * (0.05 if quick else 1)), 20)
        else:
            size = max(self.size // (10 if quick else 1), 20)
        return [self.call, "--size", str(size), *self.flags]


_ONE, _TWO, _TEN = (("--concurrency", count) for count in ("1", "2", "10"))
_NAP = (*_TEN, "--seconds", "0.005")
#: Seconds that a family of processes is idle, and that jobs are added; of a quick run too.
_IDLE, _ADDING = {False: "30", True: "1"}, {False: "1", True: "0.2"}


def plan(quick: bool) -> list[Measurement]:
    """Return all measurements, in the order in which they are taken."""
    idle, adding = (("--seconds", of[quick]) for of in (_IDLE, _ADDING))
    return [
        Measurement("add", "add1", "add", adding, rate="adds", seconds=2.5, brief=True),
        Measurement("add", "pair", "pair", rate="adds", seconds=0.5, of=("bare",)),
        Measurement("add", "add8", "add8", adding, brief=True),
        Measurement("drain", "drain1", "drain", _ONE, rate="drains", seconds=0.6),
        Measurement("drain", "drain2", "drain", _TWO, rate="drains", seconds=1.5, brief=True),
        Measurement("drain", "drain10", "drain", _TEN, rate="drains", seconds=0.6),
        Measurement("drain", "async10", "async", _TEN, rate="drains", seconds=0.6),
        Measurement("drain", "nap10", "drain", _NAP, size=600),
        Measurement("drain", "shell2", "shell", size=200, of=("jobctl", "taskspooler")),
        Measurement("latency", "waits", "latency", size=120),
        Measurement("latency", "mixed", "mixed", size=400),
        Measurement("start", "start", "start"),
        Measurement("disk", "disk", "disk", rate="drains", once=True),
        Measurement("idle", "idle", "idle", idle, once=True, together=True),
    ]


#: What is measured of jobctl alone, with a small and a large store.
PARTS = ["calls", "commands", "wake", "rebuild"]


def chosen(only: str, *, quick: bool) -> list[Measurement]:
    """Return the measurements that are named, by group or alone; all for an empty text.

    Raises ValueError for a name that is neither, nor one of PARTS.
    """
    found, names = plan(quick), _names(only)
    known = set(PARTS).union(*(one.names for one in found))
    if unknown := names - known:
        there = ", ".join(sorted(known))
        raise ValueError(f"no such measurement: {', '.join(unknown)}; there are {there}")
    return [one for one in found if not names or names & one.names]


def parts(only: str) -> list[str]:
    """Return which of PARTS are named; all for an empty text."""
    names = _names(only)
    return [part for part in PARTS if not names or part in names]


def _names(only: str) -> set[str]:
    return set(only.split(",")) - {""}
