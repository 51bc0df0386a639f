"""Jobs from a file of JSON lines, read strictly: one bad line and none is taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from jobctl.cli.jobdata import open_binary
from jobctl.cli.words import local_time
from jobctl.core.data import parse_json
from jobctl.core.job import Status
from jobctl.errors import InvalidJob
from jobctl.services.exporting import is_record, spec_of

_TIMES = ("run_at", "scheduled_for")


class Read(NamedTuple):
    """The jobs in a file, and how many of its lines were exported jobs that had been run."""

    specs: list[dict[str, Any]]
    left_out: int


def read(path: str, check: Callable[[Mapping[str, Any]], None]) -> Read:
    """Return the jobs in a file, `-` for standard input; blank lines are passed over.

    Each has passed `check`, which raises InvalidJob. Of the lines of `jobctl export` those
    are taken that are pending. Raises InvalidJob naming the first bad line, or ConfigError
    if the file cannot be read.
    """
    specs, left_out = [], 0
    completed: set[str] = set()
    where = "standard input" if path == "-" else path
    with open_binary(path) as file:
        for number, line in enumerate(file, 1):
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if not line.strip():
                continue
            try:
                spec = _parse(line)
                if is_record(spec):
                    if spec["status"] == Status.COMPLETED:
                        completed.add(str(spec.get("id")))
                    asked = spec_of(spec)
                    if asked is None:
                        left_out += 1
                        continue
                    spec = asked
                    # Whom it has waited for it need not wait for again.
                    after = [one for one in spec.pop("after", ()) if one not in completed]
                    spec |= {"after": after} if after else {}
                check(spec)
            except InvalidJob as err:
                place = f"{where}, line {number}"
                raise InvalidJob(f"{place}: {err} (nothing was added)") from None
            specs.append(spec)
    return Read(specs, left_out)


def _parse(line: bytes) -> dict[str, Any]:
    spec = parse_json(line.strip(), "the line")
    if not isinstance(spec, dict):
        raise InvalidJob('the line is no object: write {"name": ..., "data": ...}')
    for field in _TIMES:
        if isinstance(spec.get(field), str):
            spec[field] = local_time(spec[field])
    return spec
