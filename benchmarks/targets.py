"""What jobctl has to reach, and whether it does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from benchmarks.tools import BARE, HUEY_FULL, JOBCTL, TOOLS
from benchmarks.turns import Results


class Target(NamedTuple):
    """A bar: at least (or with `below`, at most) so much of what `measure` finds.

    `measure` gives None for what was not measured in this run.
    """

    what: str
    bar: float
    unit: str
    measure: Callable[[Results], float | None]
    below: bool = False
    #: More about what was found.
    note: Callable[[Results], str] = lambda _: ""

    def row(self, results: Results) -> list[str]:
        """Return the row of the table."""
        found = self.measure(results)
        most = "at most" if self.below else "at least"
        bar = f"{most} {_number(self.bar)} {self.unit}".strip()
        if found is None:
            return [self.what, bar, "not measured", ""]
        reached = found <= self.bar if self.below else found >= self.bar
        measured = f"{_number(found)} {self.unit} {self.note(results)}".strip()
        return [self.what, bar, measured, "yes" if reached else "**no**"]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _ours(what: str) -> Callable[[Results], float | None]:
    return lambda results: results.median(JOBCTL, what)


def _times(what: str, tool: str) -> Callable[[Results], float | None]:
    return lambda results: results.ratio((JOBCTL, what), (tool, what))


def _within(over: str, under: str) -> Callable[[Results], float | None]:
    return lambda results: results.ratio((JOBCTL, over), (JOBCTL, under))


def _pair(results: Results) -> float | None:
    return results.median(BARE, "add of bare")


def _drain(names: list[str]) -> Callable[[Results], float | None]:
    """Measure how many times the fastest of these, with one worker or two, our drain is."""
    return lambda results: _fastest(results, names)[0]


def _fastest(results: Results, names: list[str]) -> tuple[float | None, str]:
    """Return the least ratio of our drain to one of these tools', and whose it is."""
    theirs = [(name, f"drain {workers}") for name in names for workers in (1, 2)]
    ratios = [(results.ratio((JOBCTL, "drain 2"), one), one[0]) for one in theirs]
    found = [(ratio, name) for ratio, name in ratios if ratio is not None]
    return min(found, default=(None, ""))


def _slowest_command(results: Results) -> float | None:
    found = [what for tool, what in results.values if tool == JOBCTL and _is_command(what)]
    ratios = [_within(what, "command typer")(results) for what in found]
    return max((ratio for ratio in ratios if ratio is not None), default=None)


def _is_command(what: str) -> bool:
    return what.startswith("command ") and what.endswith((" small", " large"))


_PEERS = [tool.name for tool in TOOLS if not tool.ours]

TARGETS = [
    Target("add, one at a time, against append + fdatasync", 0.8, "times", _pair),
    Target("add, against huey's SqliteHuey full", 1.5, "times", _times("add", HUEY_FULL)),
    Target("add from 8 processes, against one process", 1, "times", _within("add8", "add")),
    Target("the longest of these adds", 50, "ms", _ours("add8 worst"), below=True),
    Target("bulk add", 80_000, "jobs/s", _ours("bulk")),
    Target("drain of no-ops, two workers", 15_000, "jobs/s", _ours("drain 2")),
    Target("drain, against huey's SqliteHuey full", 7, "times", _drain([HUEY_FULL])),
    Target(
        "drain, against the fastest peer at any durability", 2.5, "times", _drain(_PEERS),
        note=lambda results: f"({_fastest(results, _PEERS)[1]})",
    ),
    Target("add to start, idle, p50", 1, "ms", _ours("idle p50"), below=True),
    Target("add to start, idle, p99", 5, "ms", _ours("idle p99"), below=True),
    Target("idle CPU of the whole family", 0.2, "%", _ours("idle cpu"), below=True),
    Target("start to first job, 1 waiting", 0.4, "s", _ours("start 1"), below=True),
    Target("start to first job, large store", 0.6, "s", _ours("start large"), below=True),
    *(
        Target(
            f"{call}, large store, against the small one", 1.3, "times",
            _within(f"call {call} large", f"call {call} small"), below=True,
        )
        for call in ("add", "show", "list", "stats", "claim")
    ),
    Target(
        "slowest command, against `import typer`", 1.5, "times", _slowest_command, below=True
    ),
    Target("memory of the daemon, idle", 60, "MiB", _ours("daemon rss"), below=True),
    Target(
        "memory of the daemon, large store", 120, "MiB", _ours("daemon rss large"), below=True
    ),
    Target("a no-op worker's own memory", 30, "MiB", _ours("worker own"), below=True),
    Target("syncs a job in a busy drain", 0.1, "", _ours("syncs"), below=True),
    Target("index rebuild", 100_000, "jobs/s", _ours("rebuild")),
]  # fmt: skip


def rows(results: Results) -> Iterator[list[str]]:
    """Yield a row for each target."""
    for target in TARGETS:
        yield target.row(results)
