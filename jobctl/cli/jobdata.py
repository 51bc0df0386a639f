"""Job data as it is typed: DATA, key=value and key:=json, or a file."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, BinaryIO

from jobctl.core.data import parse_json, show
from jobctl.errors import ConfigError, InvalidJob

#: The most that is read from a file of data. The limit of the data itself is max_data.
LARGEST = 256 * 1024 * 1024
#: What begins with one of these is JSON, even with a `=` in it.
JSON_STARTS = ("{", "[", '"')


def from_arguments(values: Sequence[str]) -> Any:
    """Return the data that arguments give, None if there are none. Raises InvalidJob."""
    if not values:
        return None
    if len(values) == 1 and (values[0].lstrip()[:1] in JSON_STARTS or "=" not in values[0]):
        return _json(values[0])
    result: dict[str, Any] = {}
    for value in values:
        key, item = _pair(value)
        if key in result:
            raise InvalidJob(f"data key {show(key)} is given twice: remove one")
        result[key] = item
    return result


def from_file(path: str) -> Any:
    """Return the data in a JSON file, `-` for standard input.

    Raises InvalidJob, or ConfigError if the file cannot be read.
    """
    with open_binary(path) as file:
        text = file.read(LARGEST + 1)
    if len(text) > LARGEST:
        raise InvalidJob(f"data in {path} is too large: over {LARGEST:,} bytes")
    what = "data from standard input" if path == "-" else f"data in {path}"
    return parse_json(text, what)


def open_binary(path: str) -> BinaryIO:
    """Open a file to read bytes, `-` for standard input. Raises ConfigError."""
    if path == "-":
        return sys.stdin.buffer
    try:
        return open(path, "rb")
    except (OSError, ValueError) as err:
        reason = err.strerror if isinstance(err, OSError) else str(err)
        raise ConfigError(f"{path} cannot be read: {reason}") from None


def _json(text: str) -> Any:
    try:
        return parse_json(text, "data")
    except InvalidJob:
        if text.lstrip()[:1] in (*JSON_STARTS, *"-0123456789") or text in ("NaN", "Infinity"):
            raise
        raise InvalidJob(f"{show(text)} is neither JSON nor key=value nor key:=json") from None


def _pair(value: str) -> tuple[str, Any]:
    key, equals, text = value.partition("=")
    if not equals or key in ("", ":") or key[0] in JSON_STARTS:
        raise InvalidJob(
            f"{show(value)} is no key=value and no key:=json: JSON data stands alone, in quotes"
        )
    if not key.endswith(":"):
        return key, text
    return key[:-1], parse_json(text, f"data.{key[:-1]}")
