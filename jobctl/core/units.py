"""Durations and sizes, as people write them and as programs count them."""

from __future__ import annotations

import re
from datetime import timedelta

from jobctl.core.text import clean
from jobctl.errors import InvalidJob

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
# Texts: whoever imports this may never meet a duration, and re keeps what it has compiled.
_DURATION = r"(?:\d+(?:\.\d+)?(?:ms|[smhdw]))+"
_PART = r"(\d+(?:\.\d+)?)(ms|[smhdw])"
_NUMBER = r"\d+(?:\.\d+)?"
_SIZE = r"(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?"

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")

#: The longest duration that is accepted, in seconds: a hundred years.
LONGEST = 100 * 365 * 86400.0


def seconds(value: object) -> float:
    """Return a duration in seconds: `90s`, `2h30m`, `1.5d`, a number of seconds, a timedelta.

    Raises InvalidJob if it is none of these, negative, or longer than a hundred years.
    """
    result: float
    if isinstance(value, timedelta):
        result = value.total_seconds()
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        # An int may be too large for a double.
        result = float(min(value, LONGEST + 1))
    elif isinstance(value, str) and _matches(_DURATION, value.strip()):
        result = sum(
            float(n) * _SECONDS[unit] for n, unit in re.findall(_PART, value, re.ASCII)
        )
    elif isinstance(value, str) and _matches(_NUMBER, value.strip()):
        result = float(value)
    else:
        raise InvalidJob(f"{value!r} is not a duration: write 90s, 5m, 2h30m or 7d")
    if not 0 <= result <= LONGEST:
        raise InvalidJob(f"{value!r} is not a duration from 0 to 100 years")
    return result


def _matches(pattern: str, text: str) -> bool:
    return re.fullmatch(pattern, text, re.ASCII) is not None


def size(value: object) -> int:
    """Return a size in bytes: `1MiB`, `64k` (1,024 each), or a number of bytes.

    Raises InvalidJob if it is neither.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    text = value.strip() if isinstance(value, str) else ""
    match = re.fullmatch(_SIZE, text, re.ASCII | re.IGNORECASE)
    if match is None:
        raise InvalidJob(f"{value!r} is not a size: write 64KiB, 1MiB or a number of bytes")
    amount = float(match[1]) * 1024.0 ** " KMGT".index(match[2].upper() or " ")
    if amount >= 2**63:
        raise InvalidJob(f"{clean(value)[:40]} is larger than any size can be")
    return int(amount)


def human_duration(value: float) -> str:
    """Return a duration in seconds as people write it: `350ms`, `12s`, `4m10s`, `3d`."""
    if 0 < value < 1:
        return f"{value * 1000:.0f}ms"
    if value < 10:
        return f"{value:.1f}s".replace(".0s", "s")
    left = round(value)
    parts = []
    for unit in "dhms":
        count, left = divmod(left, int(_SECONDS[unit]))
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts[:2])


def human_size(value: int) -> str:
    """Return a size in bytes as people write it: `512 B`, `1.5 MiB`."""
    amount, unit = float(value), 0
    while amount >= 1024 and unit < len(_UNITS) - 1:
        amount /= 1024
        unit += 1
    digits = 0 if unit == 0 or amount >= 100 else 1
    text = f"{amount:.{digits}f}"
    return f"{text.removesuffix('.0')} {_UNITS[unit]}"


def counted(count: int, noun: str) -> str:
    """Return `1 job`, `2 jobs`, `10,000 jobs`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
