"""What makes json.loads strict. Imported only by those who read JSON from outside."""

from __future__ import annotations

import math
from typing import Any

from jobctl.core.data import HIGHEST, LOWEST, show


class Refused(Exception):
    """JSON that some readers would take for something else."""


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise Refused(f"the key {show(key)} stands twice in one object: remove one")
            seen.add(key)
    return result


def _constant(word: str) -> None:
    raise Refused(f"it holds {word}, which JSON does not have: write null")


def _integer(digits: str) -> int:
    # 20 digits and a sign hold every number in range, and int() of millions takes minutes.
    if len(digits) > 21 or not LOWEST <= int(digits) <= HIGHEST:
        raise Refused(
            f"the whole number {show(digits)[1:-1]} is beyond -2**63 to 2**64-1: "
            "write it as text"
        )
    return int(digits)


def _decimal(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise Refused(f"the number {show(digits)[1:-1]} is too large: write it as text")
    return value


#: The arguments for json.loads.
HOOKS: dict[str, Any] = {
    "object_pairs_hook": _pairs,
    "parse_constant": _constant,
    "parse_int": _integer,
    "parse_float": _decimal,
}
