"""Jobs from a file of JSON lines, read strictly: one bad line and none is taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jobctl.cli.jobdata import open_binary
from jobctl.cli.words import local_time
from jobctl.core.data import parse_json
from jobctl.errors import InvalidJob

_TIMES = ("run_at", "scheduled_for")


def read(path: str, check: Callable[[Mapping[str, Any]], None]) -> list[dict[str, Any]]:
    """Return the jobs in a file, `-` for standard input; blank lines are passed over.

    Each has passed `check`, which raises InvalidJob. Raises InvalidJob naming the first
    bad line, or ConfigError if the file cannot be read.
    """
    specs = []
    where = "standard input" if path == "-" else path
    with open_binary(path) as file:
        for number, line in enumerate(file, 1):
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if not line.strip():
                continue
            try:
                spec = _parse(line)
                check(spec)
            except InvalidJob as err:
                place = f"{where}, line {number}"
                raise InvalidJob(f"{place}: {err} (nothing was added)") from None
            specs.append(spec)
    return specs


def _parse(line: bytes) -> dict[str, Any]:
    spec = parse_json(line.strip(), "the line")
    if not isinstance(spec, dict):
        raise InvalidJob('the line is no object: write {"name": ..., "data": ...}')
    for field in _TIMES:
        if isinstance(spec.get(field), str):
            spec[field] = local_time(spec[field])
    return spec
