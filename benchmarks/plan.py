"""What is measured: for each measurement what its script is told, and for how long."""

from __future__ import annotations

from typing import NamedTuple

from benchmarks.tools import Tool


class Measurement(NamedTuple):
    """One call of a tool's script.

    Its size is `seconds` of what the tool adds (`rate` is adds) or drains, or `size` jobs.
    With `of` it is asked of these alone. A `brief` one is asked of every setting; `once` is
    not taken again in later rounds; `together` is taken of all tools at once: nobody is in
    the way of one that sleeps.
    """

    group: str
    call: str
    flags: tuple[str, ...] = ()
    rate: str = ""
    seconds: float = 1.0
    size: int = 0
    of: tuple[str, ...] = ()
    brief: bool = False
    once: bool = False
    together: bool = False

    def arguments(self, tool: Tool, quick: bool) -> list[str]:
        """Return what the tool's script is told."""
        if self.rate:
            rate = tool.adds if self.rate == "adds" else tool.drains
            size = max(int(rate * self.seconds * (0.05 if quick else 1)), 20)
        else:
            size = max(self.size // (10 if quick else 1), 20)
        return [self.call, "--size", str(size), *self.flags]


def _drain(
    concurrency: int, *flags: str, call: str = "drain"
) -> tuple[str, str, tuple[str, ...]]:
    return "drain", call, ("--concurrency", str(concurrency), *flags)


#: Seconds of an idle family of processes, and of the quick run's.
IDLE = {False: "30", True: "1"}


def plan(quick: bool) -> list[Measurement]:
    """Return all measurements, in the order in which they are taken."""
    return [
        Measurement("add", "add", rate="adds", brief=True),
        Measurement("add", "pair", rate="adds", seconds=0.5, of=("bare",)),
        Measurement("add", "add8", rate="adds", brief=True),
        Measurement(*_drain(1), rate="drains", seconds=0.6),
        Measurement(*_drain(2), rate="drains", seconds=1.5, brief=True),
        Measurement(*_drain(10), rate="drains", seconds=0.6),
        Measurement(*_drain(10, call="async"), rate="drains", seconds=0.6),
        Measurement(*_drain(10, "--seconds", "0.005"), size=600),
        Measurement("drain", "shell", size=200, of=("jobctl", "taskspooler")),
        Measurement("latency", "mixed", size=400),
        Measurement("latency", "latency", size=150, brief=True),
        Measurement("start", "start"),
        Measurement("disk", "disk", rate="drains", once=True),
        Measurement("idle", "idle", ("--seconds", IDLE[quick]), once=True, together=True),
    ]


#: What is measured of jobctl alone, with a small and a large store.
PARTS = ["calls", "commands", "wake", "rebuild"]


def chosen(only: str, *, quick: bool) -> list[Measurement]:
    """Return the measurements that are named by group or call; all for an empty text.

    Raises ValueError for a name that is neither, nor one of PARTS.
    """
    found, names = plan(quick), _names(only)
    known = {name for one in found for name in (one.group, one.call)} | set(PARTS)
    if unknown := names - known:
        there = ", ".join(sorted(known))
        raise ValueError(f"no such measurement: {', '.join(unknown)}; there are {there}")
    return [one for one in found if not names or names & {one.group, one.call}]


def parts(only: str) -> list[str]:
    """Return which of PARTS are named; all for an empty text."""
    names = _names(only)
    return [part for part in PARTS if not names or part in names]


def _names(only: str) -> set[str]:
    return set(only.split(",")) - {""}
