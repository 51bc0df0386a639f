"""The kinds of values in a configuration, from which the schema is put together.

A kind is called with a value, its key and a function that notes what is wrong, and returns
what the value means. What it returns after noting a fault is never used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from jobctl.config.model import Key
from jobctl.core import units
from jobctl.core.data import show
from jobctl.core.text import clean, meant, nearest
from jobctl.errors import InvalidJob

Report = Callable[[Key, str], None]
Kind = Callable[[Any, Key, Report], Any]

_RATE = r"([0-9]{1,9})\s*/\s*(.+)"


def one(parse: Callable[[Any], Any]) -> Kind:
    """Return the kind of a value that `parse` reads; the ValueError it raises says why not."""

    def read(value: Any, key: Key, report: Report) -> Any:
        try:
            return parse(value)
        except ValueError as err:
            # Some parsers begin with the option's name, which stands before it already.
            return report(key, str(err).removeprefix(f"{key[-1]} "))

    return read


def table(
    kinds: Mapping[str, Kind], rule: Callable[[Mapping[str, Any]], object] | None = None
) -> Kind:
    """Return the kind of a table with these keys.

    `rule` looks at the table as a whole and raises ValueError.
    """

    def read(value: Any, key: Key, report: Report) -> Any:
        if not isinstance(value, dict):
            return report(key, f"{show(value)} is refused: write a table, [{'.'.join(key)}]")
        found = {}
        for name, item in value.items():
            if kind := kinds.get(name):
                found[name] = kind(item, (*key, name), report)
            else:
                report((*key, name), _unknown(name, list(kinds), isinstance(item, dict)))
        if rule is not None:
            one(rule)(value, key, report)
        return found

    return read


def _unknown(name: str, known: list[str], is_table: bool) -> str:
    hint = meant(name, known, f"there are {', '.join(known)}")
    return f"unknown {'section' if is_table else 'key'}: {hint}"


def named(kind: Kind, check: Callable[[str], object]) -> Kind:
    """Return the kind of a table whose keys are names of the user's own.

    `check` looks at each name and raises ValueError.
    """

    def read(value: Any, key: Key, report: Report) -> Any:
        if not isinstance(value, dict):
            return report(key, f"{show(value)} is refused: write [{'.'.join(key)}.NAME]")
        for name in value:
            one(check)(name, (*key, name), report)
        return {name: kind(item, (*key, name), report) for name, item in value.items()}

    return read


def whole(low: int, high: int) -> Kind:
    """Return the kind of a whole number in these bounds."""

    def parse(value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            raise ValueError(f"{show(value)} is refused: use a whole number, {low} to {high}")
        return value

    return one(parse)


def choice(*words: str) -> Kind:
    """Return the kind of one of these words."""

    def parse(value: Any) -> str:
        if value not in words:
            said = value if isinstance(value, str) else ""
            hint = meant(said, words, f"use {' or '.join(words)}")
            raise ValueError(f"{show(value)} is refused: {hint}")
        return str(value)

    return one(parse)


def duration(*, zero: bool = True, word: str | None = None) -> Kind:
    """Return the kind of a duration, in seconds; `word` stands for None."""

    def parse(value: Any) -> float | None:
        if word is not None and value == word:
            return None
        try:
            length = units.seconds(value)
        except ValueError:
            other = f', or "{word}"' if word else ""
            raise ValueError(
                f"{show(value)} is not a duration: write 90s, 5m, 2h30m or 7d "
                f"(100 years at most){other}"
            ) from None
        if not zero and not length:
            raise ValueError(f"{show(value)} is refused: it must be more than nothing")
        return length

    return one(parse)


def _size(value: Any) -> int:
    try:
        found = units.size(value)
    except (InvalidJob, OverflowError):
        found = 0
    if not 0 < found < 2**63:
        raise ValueError(f"{show(value)} is not a size: write 64KiB, 1MiB or a number of bytes")
    return found


def read_text(value: Any) -> str:
    """Return a text that says something. Raises ValueError."""
    if not isinstance(value, str) or not value.strip() or clean(value) != value:
        raise ValueError(
            f"{show(value)} is refused: write text in quotes, not empty, and without control "
            "characters"
        )
    return value


def read_texts(value: Any) -> tuple[str, ...]:
    """Return a list of texts. Raises ValueError."""
    if not isinstance(value, list):
        hint = f"[{show(value)}]" if isinstance(value, str) else '["one", "two"]'
        raise ValueError(f"{show(value)} is refused: write a list, such as {hint}")
    return tuple(read_text(item) for item in value)


def _yes_or_no(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{show(value)} is refused: write true or false")
    return value


def _rate(value: Any) -> tuple[int, float]:
    match = re.fullmatch(_RATE, value.strip()) if isinstance(value, str) else None
    try:
        count = int(match[1]) if match else 0
        period = (
            units.seconds(match[2] if match[2][0].isdigit() else f"1{match[2]}") if match else 0
        )
    except InvalidJob:
        count, period = 0, 0
    if not count or not period:
        raise ValueError(f"{show(value)} is not a rate: write 5/s, 100/m or 1000/h")
    return count, period


def _moment(value: Any) -> datetime:
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        found = None
    if not isinstance(found, datetime):
        raise ValueError(f"{show(value)} is not a time: write 2026-12-31T23:59:59Z")
    return found


def _zone(value: Any) -> str:
    name = read_text(value)
    if _on_disk(name):
        return name
    from zoneinfo import ZoneInfo, available_timezones

    try:
        return ZoneInfo(name).key
    except (ValueError, OSError, LookupError):  # no name of a zone, or that of a folder
        zones = sorted(available_timezones())
        right = {zone.lower(): zone for zone in zones}.get(name.lower()) or nearest(name, zones)
        hint = f"did you mean {right}?" if right else "write one such as Europe/Berlin or UTC"
        raise ValueError(f"{show(value)} is not a time zone: {hint}") from None


def _on_disk(name: str) -> bool:
    """Return whether the system has this zone: asked first, as importing zoneinfo is slow."""
    if ".." in name or name.startswith("/"):
        return False
    try:
        with open(f"/usr/share/zoneinfo/{name}", "rb") as file:
            return file.read(4) == b"TZif"
    except OSError:
        return False


size = one(_size)
text = one(read_text)
texts = one(read_texts)
yes_or_no = one(_yes_or_no)
rate = one(_rate)
moment = one(_moment)
zone = one(_zone)
