"""Measure jobctl and its peers, in turns, and write docs/performance.md.

    python -m benchmarks [--rounds 3] [--only add,drain] [--peers huey,rq | all | none]
                         [--quick] [--page FILE] [--raw FILE] [--folder DIR]

Names for --only, of all tools: add (add1, pair, add8), drain (drain1, drain2, drain10, async10,
nap10, shell2), latency (waits, mixed), start, disk, idle; of jobctl alone: calls, commands,
wake, rebuild. `--quick` takes small sizes and fewer settings: its figures mean nothing, it
shows that all of it works.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from pathlib import Path

from benchmarks import machine, plan, report
from benchmarks.kit import ROOT, say
from benchmarks.tools import JOBCTL, Tool, chosen
from benchmarks.turns import PEERS, Turns

#: Jobs of the large store, and of a quick run's.
LARGE = {False: 1_000_000, True: 5_000}


def main() -> int:
    """Take all rounds, write the page; 1 if something failed."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, help="3, or 1 if quick")
    parser.add_argument("--only", default="", metavar="NAMES")
    parser.add_argument("--peers", default="all", metavar="NAMES")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--page", type=Path, default=ROOT / "docs/performance.md")
    # In the working folder: /tmp may be memory, where a sync costs nothing.
    parser.add_argument("--folder", type=Path, default=Path())
    parser.add_argument("--raw", type=Path, default=ROOT / "artefacts/benchmarks.jsonl")
    args = parser.parse_args()
    args.rounds = args.rounds or (1 if args.quick else 3)
    try:
        tools, measurements = chosen(args.peers), plan.chosen(args.only, quick=args.quick)
    except ValueError as err:
        parser.error(str(err))
    if not PEERS.exists() and not all(tool.ours for tool in tools):
        parser.error("the peers are not installed: `make bench` does it, or say --peers none")
    args.raw.parent.mkdir(parents=True, exist_ok=True)
    args.raw.write_text("")  # each figure is written as it comes
    facts = dict(machine.facts(args.folder))
    with tempfile.TemporaryDirectory(dir=args.folder, prefix=".bench-") as name:
        folder = Path(name).resolve()
        folder.chmod(0o711)  # PostgreSQL runs as another user
        turns = Turns(folder, args.raw, quick=args.quick)
        two = Stores(turns, folder, plan.parts(args.only), LARGE[args.quick])
        for number in range(args.rounds):
            turns.rounds(measurements, tools, number)
            two.round(number)
    results = turns.results
    text = report.render(results, tools, facts, _versions(tools), _how(args))
    report.write(args.page, text)
    say(f"{turns.clock()} written: {args.page}")
    for failure in results.failures:
        say(f"failed: {failure}")
    return 1 if results.failures else 0


class Stores:
    """The two stores of a run: made once, used in each round."""

    def __init__(self, turns: Turns, folder: Path, parts: list[str], large: int) -> None:
        self._turns, self._parts, self._large = turns, parts, large
        self._folder = folder / "stores"

    def round(self, number: int) -> None:
        """Take one round of what is asked of them."""
        if self._parts and not number:
            say(f"{self._turns.clock()} making the stores")
            self._call(number, "make", "--large", str(self._large))
        for part in self._parts:
            say(f"{self._turns.clock()} round {number + 1}: {part}")
            self._call(number, part)

    def _call(self, number: int, *words: str) -> None:
        line = [sys.executable, "-m", "benchmarks.stores", *words]
        for found in self._turns.call(line, JOBCTL, self._folder):
            self._turns.keep(JOBCTL, number, found)


def _versions(tools: list[Tool]) -> str:
    if all(tool.ours for tool in tools):
        return ""
    return ", ".join(f"{name} {version}" for name, version in machine.versions())


def _how(args: argparse.Namespace) -> str:
    flags = [f"--rounds {args.rounds}"]
    flags += [f"--{name} {value}" for name in ("only", "peers") if (value := vars(args)[name])]
    flags += ["--quick"] * args.quick
    text = f"Made by `python -m benchmarks {' '.join(flags)}`."
    if args.quick:
        text += " **A quick run: it shows the tables, its figures mean nothing.**"
    return text


if __name__ == "__main__":
    # Ended from outside it still takes down what it has started.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.exit(main())
