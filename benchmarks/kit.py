"""What all measurements share: the clock, percentiles, and a figure as a line of JSON."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]


class Figure(NamedTuple):
    """One thing measured once: `what` names it, as `plan.py` has it."""

    what: str
    value: float
    unit: str

    def print(self) -> None:
        """Write it as a line of JSON, at once: whoever waits reads it."""
        print(json.dumps({**self._asdict(), "value": round(self.value, 4)}), flush=True)


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that `work` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that `share` of all values (0 to 1) do not pass."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def say(text: str) -> None:
    """Tell a person how far it is: figures go to stdout, words to stderr."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
