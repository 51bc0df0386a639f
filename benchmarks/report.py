"""The figures as tables, put between the markers of docs/performance.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks import targets
from benchmarks.stores import SIZES
from benchmarks.tools import JOBCTL, Tool
from benchmarks.turns import Results

#: Before a ratio.
TIMES = "\N{MULTIPLICATION SIGN}"
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"

#: Title, whether more is better, and the columns: what is measured, and its heading.
TABLES: list[tuple[str, bool, dict[str, str]]] = [
    ("Adding, jobs a second", True,
     {"add": "one at a time", "add8": "from 8 processes", "bulk": "in bulk, one call",
      "bulk on": "call after call"}),
    ("The longest single add, ms", False,
     {"add worst": "of one process", "add8 worst": "of 8 processes"}),
    ("Running, jobs a second", True,
     {"drain 1": "no-ops, 1 at once", "drain 2": "2 at once", "drain 10": "10 at once",
      "async 10": "coroutines, 10 at once", "nap 10": "jobs of 5 ms, 10 at once",
      "shell 2": "commands (`sh -c`), 2 at once"}),
    ("From the return of an add to the start of the handler, ms", False,
     {"idle p50": "idle: p50", "idle p99": "p99", "idle max": "max",
      "half p50": "half load: p50", "half p99": "p99", "half max": "max"}),
    ("Mixed, and start-up", False,
     {"mixed worst": "longest wait of a short job beside long ones, ms",
      "start 1": "start to first job, s"}),
    ("At rest, two workers", False,
     {"memory": "memory (PSS) of all processes, MiB", "worker own": "a worker's own, MiB",
      "idle cpu": "CPU, % of a core"}),
    ("A busy drain's disk", False, {"syncs": "syncs a job", "bytes": "bytes a job"}),
]  # fmt: skip


def write(page: Path, text: str) -> None:
    """Put a text between the markers of a page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


def render(
    results: Results, tools: Sequence[Tool], facts: Mapping[str, str], versions: str, how: str
) -> str:
    """Return all tables; `how` says how the run was made."""
    there = {tool for tool, _ in results.values}
    named = [tool for tool in tools if tool.name in there]
    parts = [how, _table(["", ""], ([key, value] for key, value in facts.items()))]
    parts += ["Peers: " + versions + "."] if versions else []
    if results.failures:
        parts.append("Not measured, because it failed: " + "; ".join(results.failures) + ".")
    header = ["what", "target", "measured", "reached"]
    parts += ["### Targets", _table(header, targets.rows(results))]
    parts.append("### The tools")
    rows = ([tool.name, tool.survives, tool.runs] for tool in named)
    parts.append(_table(["tool", "an acknowledged job survives", "handlers run in"], rows))
    for title, more, columns in TABLES:
        parts += _of_tools(results, named, title, more, columns)
    return "\n\n".join([*parts, *_of_sizes(results)])


def _of_tools(
    results: Results, tools: Sequence[Tool], title: str, more: bool, columns: Mapping[str, str]
) -> Iterator[str]:
    rows = []
    for tool in tools:
        cells = [_cell(results, tool.name, what, more) for what in columns]
        if any(cells):
            rows.append([tool.name, *(cell or "-" for cell in cells)])
    if rows:
        yield f"### {title}"
        yield _table(["", *columns.values()], rows)


def _cell(results: Results, tool: str, what: str, more: bool) -> str:
    """Return median, spread and how many times better ours is; "" if it was not measured."""
    found = results.of(tool, what)
    if not found:
        return ""
    text = f"**{number(results.median(tool, what))}**"
    pair = (JOBCTL, what), (tool, what)
    ratio = results.ratio(*pair if more else pair[::-1])
    if tool != JOBCTL and ratio is not None and ratio > 0:
        text += f" {TIMES}{number(ratio)}"
    if len(found) > 1:
        text += f"<br>{number(min(found))} to {number(max(found))}"
    return text


def number(value: float | None) -> str:
    """Return a number as it is read: three digits that count, or whole with commas."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _of_sizes(results: Results) -> Iterator[str]:
    """Yield the tables of the small and the large store."""
    small, large = (number(results.median(JOBCTL, f"jobs {size}")) for size in SIZES)
    for kind, title in (("call", "Calls, ms"), ("command", "Commands, ms")):
        rows = list(_sizes(results, kind))
        if rows:
            yield f"### {title}"
            yield _table(["", f"{small} jobs", f"{large} jobs", "large of small"], rows)
    ours = [
        ["start to first job, large store, s", "start large"],
        ["the same after kill -9, recovery included, s", "recovery large"],
        ["memory of its daemon, MiB", "daemon rss large"],
        ["index rebuild, jobs a second", "rebuild"],
    ]
    rows = [[name, cell] for name, what in ours if (cell := _cell(results, JOBCTL, what, True))]
    if rows:
        yield f"### A store of {large} jobs"
        yield _table(["", ""], rows)


def _sizes(results: Results, kind: str) -> Iterator[list[str]]:
    names = [what for tool, what in results.values if tool == JOBCTL and what.startswith(kind)]
    for what in names:
        if what.endswith(" small"):
            other = what.removesuffix("small") + "large"
            cells = [_cell(results, JOBCTL, one, False) for one in (what, other)]
            ratio = number(results.ratio((JOBCTL, other), (JOBCTL, what)))
            yield [what.removeprefix(f"{kind} ").removesuffix(" small"), *cells, ratio]
        elif not what.endswith(" large"):
            yield [what.removeprefix(f"{kind} "), _cell(results, JOBCTL, what, False), "", ""]


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [list(header), ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines)
