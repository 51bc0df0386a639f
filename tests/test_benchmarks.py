"""The benchmarks: what is made of the figures, and one quick run of jobctl alone."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import plan, report, targets, tools
from benchmarks.tools import BARE, JOBCTL, TOOLS
from benchmarks.turns import Results, Turns
from tests.helpers import ROOT

ASKED = "add,drain,latency,start,calls,rebuild"


def results(*figures: tuple[str, str, float]) -> Results:
    """Make results of (tool, what, value): a second one of a kind is the second round's."""
    made, seen = Results(), list[tuple[str, str]]()
    for tool, what, value in figures:
        line = json.dumps({"what": what, "value": value, "unit": "u"})
        made.take(tool, seen.count((tool, what)), line)
        seen.append((tool, what))
    return made


def test_a_ratio_is_taken_within_each_round() -> None:
    found = results(
        (JOBCTL, "add", 10), (BARE, "add", 20),
        (JOBCTL, "add", 100), (BARE, "add", 100),
        (JOBCTL, "add", 30), (BARE, "add", 30),
    )  # fmt: skip
    # The medians' own ratio would be 1.
    assert found.median(JOBCTL, "add") == 30
    assert found.ratio((JOBCTL, "add"), (BARE, "add")) == 1
    assert found.ratio((BARE, "add"), (JOBCTL, "add")) == 1
    found.take(JOBCTL, 1, '{"what": "add", "value": 50, "unit": "u"}')
    found.take(JOBCTL, 2, '{"what": "add", "value": 15, "unit": "u"}')
    assert found.ratio((JOBCTL, "add"), (BARE, "add")) == 0.5


def test_a_cell_has_median_ratio_and_spread() -> None:
    found = results(
        (JOBCTL, "add", 1000), (BARE, "add", 4000), (JOBCTL, "add", 3000), (BARE, "add", 6000),
        (JOBCTL, "idle p50", 0.5), (BARE, "idle p50", 2),
    )  # fmt: skip
    text = report.render(found, TOOLS, {"kernel": "6.1"}, "huey 1", "how")
    assert f"| {JOBCTL} | **2,000**<br>1,000 to 3,000 | - | - | - |" in text
    times = report.TIMES
    assert f"| {BARE} | **5,000** {times}0.375<br>4,000 to 6,000 | - | - | - |" in text
    assert f"| {BARE} | **2** {times}4 |" in text  # of milliseconds less is better
    assert "| kernel | 6.1 |" in text
    assert "Procrastinate" not in text.partition("### The tools")[2]


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        ([(JOBCTL, "bulk", 80_000)], ["80,000 jobs/s", "yes"]),
        ([(JOBCTL, "bulk", 79_000)], ["79,000 jobs/s", "**no**"]),
        ([], ["not measured", ""]),
    ],
)
def test_a_target_is_reached_or_not(
    figures: list[tuple[str, str, float]], said: list[str]
) -> None:
    (row,) = (row for row in targets.rows(results(*figures)) if row[0] == "bulk add")
    assert row[1:] == ["at least 80,000 jobs/s", *said]


def test_a_target_may_be_a_most() -> None:
    for value, said in ((50, "yes"), (51, "**no**")):
        found = results((JOBCTL, "add8 worst", value))
        (row,) = (row for row in targets.rows(found) if row[0] == "the longest of these adds")
        assert row[1:] == ["at most 50 ms", f"{value} ms", said]


def test_the_fastest_peer_counts_and_the_slowest_command() -> None:
    peers = [tool.name for tool in TOOLS if not tool.ours]
    found = results(
        (JOBCTL, "drain 2", 100), (peers[0], "drain 2", 10), (peers[1], "drain 1", 50),
        (BARE, "drain 2", 1000),
        (JOBCTL, "command typer", 60), (JOBCTL, "command add small", 66),
        (JOBCTL, "command add large", 90), (JOBCTL, "command tsp add", 600),
    )  # fmt: skip
    said = {row[0]: row[2] for row in targets.rows(found)}
    assert said["drain, against the fastest peer at any durability"] == f"2 times ({peers[1]})"
    assert said["slowest command, against `import typer`"] == "1.5 times"


def test_what_stands_around_the_figures_stays(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    report.write(page, "new")
    assert page.read_text() == f"before\n{report.BEGIN}\n\nnew\n\n{report.END}\nafter\n"


def test_what_is_asked_for_is_chosen_by_group_call_or_peer() -> None:
    assert [one.name for one in plan.chosen("add8,start", quick=True)] == ["add8", "start"]
    assert {one.call for one in plan.chosen("drain", quick=True)} == {"drain", "async", "shell"}
    assert [one.flags for one in plan.chosen("drain2", quick=True)] == [("--concurrency", "2")]
    assert plan.parts("") == plan.PARTS
    assert plan.parts("rebuild,add") == ["rebuild"]
    assert {tool.module for tool in tools.chosen("rq")} == {"jobctl", "bare", "rq"}
    assert tools.chosen("all") == TOOLS
    with pytest.raises(ValueError, match="no such measurement: dran"):
        plan.chosen("dran", quick=True)
    with pytest.raises(ValueError, match="no such peer: hue"):
        tools.chosen("hue")


def test_every_tool_has_its_script() -> None:
    for tool in TOOLS:
        assert (ROOT / f"benchmarks/peers/{tool.module}.py").exists()


def test_a_script_that_fails_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    turns = Turns(tmp_path, tmp_path / "raw", quick=True)
    assert turns.call([sys.executable, "-c", "raise SystemExit(3)"], "a tool") == []
    assert turns.call([sys.executable, "-c", "print('{}')"], "another") == ["{}"]
    (failure,) = turns.results.failures
    assert failure.startswith("a tool: ")
    text = report.render(turns.results, TOOLS, {}, "", "how")
    assert f"Not measured, because it failed: {failure}." in text
    assert list(tmp_path.iterdir()) == []  # each had a folder, which is gone


@pytest.mark.slow
def test_a_quick_run_of_jobctl_alone(tmp_path: Path) -> None:
    page, raw = tmp_path / "page.md", tmp_path / "raw.jsonl"
    page.write_text(f"before {report.BEGIN} {report.END}")
    done = subprocess.run(
        [
            sys.executable, "-m", "benchmarks", "--quick", "--rounds", "1", "--peers", "none",
            "--only", ASKED, "--page", str(page), "--raw", str(raw), "--folder", str(tmp_path),
        ],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in raw.read_text().splitlines()]
    measured = {figure["what"] for figure in found if figure["tool"] == JOBCTL}
    for what in ("add", "add8 worst", "bulk", "drain 1", "drain 10", "async 10", "nap 10"):
        assert what in measured
    for what in (
        "mixed worst",
        "idle p99",
        "half max",
        "start 1",
        "call claim large",
        "rebuild",
    ):
        assert what in measured
    assert any(figure["what"] == "add of bare" for figure in found)
    assert all(figure["value"] > 0 for figure in found if figure["unit"] == "jobs/s")
    text = page.read_text()
    assert "its figures mean nothing" in text
    assert "not measured" in text  # idle, and the peers
    assert f"| {JOBCTL} | **" in text
    assert not list(tmp_path.glob(".bench-*"))
