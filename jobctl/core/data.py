"""What a job may carry: JSON values, checked before they are written.

A value that JSON cannot hold is refused with its path (`data.user.when`), because an
encoder would change it in silence: NaN into null, the key 1 into "1".
"""

from __future__ import annotations

from dataclasses import is_dataclass
from datetime import date, datetime, time
from enum import Enum
from math import isfinite
from typing import Any, NoReturn

import msgspec

from jobctl.errors import InvalidJob

#: How many lists and objects may stand inside each other.
DEPTH = 100
#: The whole numbers that every reader of the JSON takes for what they are.
LOWEST, HIGHEST = -(2**63), 2**64 - 1

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def plain(value: Any, what: str, max_bytes: int) -> Any:
    """Return a copy of `value` made of JSON values alone.

    Accepted beside them: tuples, msgspec structs, dataclasses, pydantic models, enums,
    dates and times, UUIDs. `max_bytes` limits the size as JSON. Raises InvalidJob with
    the path of what is refused; `what` is the path's first word.
    """
    if not _is_plain(value, max_bytes):
        value = _Converter(what, max_bytes).convert(value, what, 0)
    try:
        text = _encode(value)
    except UnicodeEncodeError:
        # The quick look does not read strings; the thorough one says which it is.
        value = _Converter(what, max_bytes).convert(value, what, 0)
        text = _encode(value)
    if len(text) > max_bytes:
        _too_large(what, f"{len(text):,} bytes as JSON", max_bytes)
    return _decode(text)


def _is_plain(value: Any, budget: int) -> bool:
    """Return whether `value` is of JSON's own types; False asks for a thorough look.

    Every value takes a byte at least, so there are at most `budget` of them. The count
    also ends the walk through data that holds one list many times over.
    """
    kind = type(value)
    level: list[Any] = [(value,)]
    if kind is dict or kind is list or kind is tuple:
        budget, level = budget - 1, [value]
    for _ in range(DEPTH):
        below = []
        for holder in level:
            budget -= len(holder)
            if budget < 0:
                return False
            items = holder
            if type(holder) is dict:
                for key in holder:
                    if type(key) is not str:
                        return False
                items = holder.values()
            for item in items:
                kind = type(item)
                if kind is str or item is None or kind is bool:
                    continue
                if kind is int:
                    if not LOWEST <= item <= HIGHEST:
                        return False
                elif kind is float:
                    if not isfinite(item):
                        return False
                elif kind is dict or kind is list or kind is tuple:
                    below.append(item)
                else:
                    return False
        if not below:
            return True
        level = below
    return False


class _Converter:
    """The thorough look: rebuilds a value, or says where it cannot be JSON."""

    def __init__(self, what: str, max_bytes: int) -> None:
        self._what = what
        self._max = max_bytes
        self._left = max_bytes

    def convert(self, value: Any, path: str, depth: int) -> Any:
        """Return `value` in JSON's types."""
        self._left -= 1
        if self._left < 0:
            _too_large(self._what, f"over {self._max:,} values", self._max)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, Enum):
            return self.convert(value.value, path, depth)
        if isinstance(value, str):
            return _text(value, path)
        if isinstance(value, int):
            return _whole(value, path)
        if isinstance(value, float):
            return _finite(value, path)
        if depth >= DEPTH:
            _refuse(path, f"is nested deeper than {DEPTH} levels: flatten it")
        if isinstance(value, dict):
            return {
                self._key(key, path): self.convert(item, f"{path}{step(key)}", depth + 1)
                for key, item in value.items()
            }
        if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
            return [
                self.convert(item, f"{path}[{n}]", depth + 1) for n, item in enumerate(value)
            ]
        return self.convert(_builtins(value, path), path, depth)

    def _key(self, key: Any, path: str) -> str:
        if isinstance(key, Enum):
            key = key.value
        if not isinstance(key, str):
            _refuse(path, f"has the key {show(key)}: JSON has text keys only, use str(key)")
        return _text(key, path)


def _builtins(value: Any, path: str) -> Any:
    """Return one step towards JSON of a value of some other type that is known to have one."""
    kind = type(value)
    if hasattr(kind, "model_dump"):  # a pydantic model, without importing pydantic
        try:
            return value.model_dump(mode="json")
        except Exception as err:  # whatever a user's serializer raises
            _refuse(path, f"cannot be written as JSON ({err}): pass plain values")
    known = isinstance(value, (msgspec.Struct, datetime, date, time)) or is_dataclass(kind)
    if known or kind.__module__ == "uuid":
        try:
            return msgspec.to_builtins(value)
        except (TypeError, ValueError, RecursionError) as err:
            _refuse(path, f"cannot be written as JSON ({err}): pass plain values")
    hint = {
        "bytes": "pass text, such as base64",
        "set": "pass a list",
        "frozenset": "pass a list",
        "Decimal": "pass str(value)",
    }.get(kind.__name__, "pass plain values: text, numbers, true, null, lists and dicts")
    _refuse(path, f"is of type {kind.__name__}, which JSON does not have: {hint}")


def _text(value: str, path: str) -> str:
    try:
        return value.encode().decode()
    except UnicodeEncodeError:
        _refuse(path, "holds half of a surrogate pair, which is no text: decode it properly")


def _whole(value: int, path: str) -> int:
    if not LOWEST <= value <= HIGHEST:
        _refuse(path, "is a whole number beyond -2**63 to 2**64-1: pass it as text")
    return int(value)


def _finite(value: float, path: str) -> float:
    if not isfinite(value):
        _refuse(path, f"is {float(value)}, which JSON does not have: pass null or leave it out")
    return float(value)


def step(key: object) -> str:
    """Return a key as a step of a path: `.user`, or `['odd key']`."""
    return f".{key}" if isinstance(key, str) and key.isidentifier() else f"[{show(key)}]"


def show(value: object) -> str:
    """Return a value as it stands in a message: escaped, in quotes if text, not too long."""
    try:
        text = ascii(value)
    except Exception:  # a huge int, or whatever a user's __repr__ raises
        text = f"a {type(value).__name__}"
    return text if len(text) <= 80 else f"{text[:60]}...{text[-16:]}"


def _refuse(path: str, why: str) -> NoReturn:
    place = path if len(path) <= 200 else f"{path[:120]}...{path[-60:]}"
    raise InvalidJob(f"{place} {why}") from None


def _too_large(what: str, size: str, limit: int) -> NoReturn:
    raise InvalidJob(
        f"{what} is too large: {size}, the limit is {limit:,} bytes (max_data). "
        "Put it into a file and pass the path, or raise the limit"
    ) from None


def parse_json(text: str | bytes, what: str) -> Any:
    """Return the value of a JSON text, read strictly.

    Raises InvalidJob, beginning with `what`, for text that is not JSON, NaN and Infinity,
    a key that stands twice, numbers out of range, and nesting that is too deep.
    """
    import json

    from jobctl.core import strictjson

    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8-sig")
        value = json.loads(text, **strictjson.HOOKS)
    except strictjson.Refused as err:
        raise InvalidJob(f"{what} is refused: {err}") from None
    except json.JSONDecodeError as err:
        place = f"line {err.lineno} column {err.colno}"
        raise InvalidJob(f"{what} is not JSON: {err.msg} at {place}") from None
    except UnicodeDecodeError as err:
        raise InvalidJob(f"{what} is not UTF-8 (byte {err.start}): save it as UTF-8") from None
    except RecursionError:
        raise InvalidJob(f"{what} is nested deeper than {DEPTH} levels: flatten it") from None
    if _is_plain(value, len(text) + 1) and text.isascii() and "\\u" not in text:
        return value
    return _Converter(what, len(text) + 1).convert(value, what, 0)
