"""Tools take turns: in each round, for each measurement, one after the other."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from subprocess import PIPE

from benchmarks.kit import ROOT, say
from benchmarks.plan import Measurement
from benchmarks.processes import family, kill
from benchmarks.tools import Tool

#: The Python that has the peers.
PEERS = ROOT / "benchmarks/.venv/bin/python"
#: Seconds that one call may take.
LIMIT = 600


class Results:
    """All figures: by tool and what, one value a round."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
        self.units: dict[str, str] = {}
        self.failures: list[str] = []

    def take(self, tool: str, number: int, line: str) -> None:
        """Take up a line of JSON."""
        figure = json.loads(line)
        self.values[tool, figure["what"]][number] = figure["value"]
        self.units[figure["what"]] = figure["unit"]

    def of(self, tool: str, what: str) -> list[float]:
        """Return the values of all rounds; none if it was not measured."""
        return list(self.values.get((tool, what), {}).values())

    def median(self, tool: str, what: str) -> float | None:
        """Return the median of all rounds."""
        found = self.of(tool, what)
        return statistics.median(found) if found else None

    def ratio(self, over: tuple[str, str], under: tuple[str, str]) -> float | None:
        """Return the median of the rounds' ratios: each pair was taken in turns."""
        above, below = self.values.get(over, {}), self.values.get(under, {})
        ratios = [above[n] / below[n] for n in above if below.get(n)]
        return statistics.median(ratios) if ratios else None


class Turns:
    """Calls scripts, each in a folder of its own, and keeps what they print."""

    def __init__(self, folder: Path, raw: Path, *, quick: bool) -> None:
        self.results = Results()
        self._folder, self._raw, self._quick = folder, raw, quick
        self._numbers, self._begun = count(), time.monotonic()

    def rounds(
        self, measurements: Sequence[Measurement], tools: Sequence[Tool], number: int
    ) -> None:
        """Take one round."""
        for one in measurements:
            if one.once and number:
                continue
            able = [tool for tool in tools if self._asked(one, tool)]
            if number % 2:  # nobody is always the first
                able.reverse()
            say(f"{self.clock()} round {number + 1}: {one.name}")
            with ThreadPoolExecutor(len(able) if one.together else 1) as pool:
                done = pool.map(lambda tool, one=one: self._script(one, tool, number), able)
                for tool, line in ((t, line) for t, lines in done for line in lines):
                    self.keep(tool, number, line)

    def clock(self) -> str:
        """Return how long the run has taken."""
        minutes, seconds = divmod(int(time.monotonic() - self._begun), 60)
        return f"{minutes:2}:{seconds:02}"

    def _asked(self, one: Measurement, tool: Tool) -> bool:
        """Return whether a tool takes part: a quick run has none of the brief ones."""
        if one.of:
            return tool.module in one.of
        if not (tool.adds if one.group == "add" else tool.drains):
            return False
        return not tool.brief or (one.brief and not self._quick)

    def _script(self, one: Measurement, tool: Tool, number: int) -> tuple[str, list[str]]:
        python = sys.executable if tool.ours else str(PEERS)
        line = [python, "-m", f"benchmarks.peers.{tool.module}", "--setting", tool.setting]
        return tool.name, self.call([*line, *one.arguments(tool, self._quick)], tool.name)

    def call(self, line: Sequence[str], who: str, place: Path | None = None) -> list[str]:
        """Run a script in a new folder, or in `place`; return its lines, none if it failed."""
        folder = place or self._folder / str(next(self._numbers))
        folder.mkdir(mode=0o711, exist_ok=True)
        try:
            return self._output([*line, "--folder", str(folder)]).splitlines()
        except (RuntimeError, subprocess.TimeoutExpired) as err:
            self.results.failures.append(f"{who}: {' '.join(line[3:])}")
            log = folder / "worker.log"
            words = log.read_text(errors="replace")[-2000:] if log.exists() else ""
            say(f"FAILED {who}: {err}\n{words}")
            return []
        finally:
            if place is None:
                shutil.rmtree(folder, ignore_errors=True)

    def _output(self, line: Sequence[str]) -> str:
        """Run a script and return what it prints. Raises RuntimeError with its errors.

        Whatever happens, nothing that it started is left.
        """
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with subprocess.Popen(
            line, cwd=ROOT, env=environment, stdout=PIPE, stderr=PIPE, text=True
        ) as script:
            try:
                output, errors = script.communicate(timeout=LIMIT)
            finally:
                kill(family([script.pid]))
        if script.returncode:
            raise RuntimeError(f"exit code {script.returncode}\n{errors[-2000:]}")
        return output

    def keep(self, tool: str, number: int, line: str) -> None:
        """Take up a line, and write it to the file of raw figures with its tool and round."""
        self.results.take(tool, number, line)
        with self._raw.open("a") as raw:
            raw.write(json.dumps({"tool": tool, "round": number, **json.loads(line)}) + "\n")
