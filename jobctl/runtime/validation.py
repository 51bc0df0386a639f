"""Job data, checked against the type in a handler's annotation.

The type is a dataclass, a TypedDict, a msgspec.Struct, a pydantic model, or builtins such
as `dict[str, int]`. pydantic is recognised by its methods and never imported from here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from jobctl.core.retry import Fail

#: What a data type may be, for messages.
SUPPORTED = (
    "a dataclass, a TypedDict, a msgspec.Struct, a pydantic model, or builtins such as "
    "dict[str, int]"
)
# How many faults of a pydantic model one message names.
_MOST = 5

_AT = re.compile(r"(.*) - at (?:`key` in )?`\$([^`]*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `([^`]*)`")
_UNKNOWN = re.compile(r"Object contains unknown field `([^`]*)`")
_FIELD = re.compile(r"[A-Za-z_]\w*", re.ASCII)


class InvalidData(Fail):
    """The job's data does not fit the handler's type: the job fails for good.

    The message names each field, as in `data.user.age: expected int, got str`.
    """


class Validator:
    """Turns JSON data into a value of one type."""

    def __init__(self, kind: Any):
        """Take a type. Raises TypeError if data can never be validated as it."""
        self.kind = kind
        self._pydantic = _is_model(kind)
        #: The type's JSON schema.
        self.schema: dict[str, Any] = _schema(kind)

    def __call__(self, data: Any) -> Any:
        """Return `data` as a value of the type. Raises InvalidData, naming the field."""
        if self._pydantic:
            return _validate_model(self.kind, data)
        try:
            # JSON's object keys are strings, whatever dict[int, ...] says.
            return msgspec.convert(data, self.kind, str_keys=True, dec_hook=_nested_model)
        except msgspec.ValidationError as error:
            raise InvalidData(describe_fault(str(error))) from None


def describe_fault(message: str) -> str:
    """Return msgspec's message with the field first, as a path that begins with `data`."""
    what, path = message, "data"
    if match := _AT.fullmatch(message):
        what, path = match[1], f"data{match[2]}"
        if " - at `key` in " in message:
            path += " (a key of it)"
    if match := _MISSING.fullmatch(what):
        return f"{path}.{match[1]}: required, and missing"
    if match := _UNKNOWN.fullmatch(what):
        return f"{path}.{match[1]}: no such field"
    what = what.replace("`", "")
    return f"{path}: {what[:1].lower()}{what[1:]}"


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and hasattr(kind, "model_validate_json")


def _validate_model(model: Any, data: Any) -> Any:
    # As JSON, not as Python objects: only then does a strict model take a date from text.
    text = msgspec.json.encode(data)
    try:
        return model.model_validate_json(text)
    except ValueError as error:
        faults = getattr(error, "errors", None)
        if faults is None:
            raise
        # Without the input: it may be a secret, and the message is kept with the job.
        raise InvalidData(_model_faults(faults(include_url=False))) from None


def _model_faults(faults: list[dict[str, Any]]) -> str:
    lines = [f"{_path(fault['loc'])}: {_lower(fault['msg'])}" for fault in faults[:_MOST]]
    if len(faults) > _MOST:
        lines.append(f"and {len(faults) - _MOST} more")
    return "; ".join(lines)


def _path(parts: Iterable[str | int]) -> str:
    path = "data"
    for part in parts:
        plain = isinstance(part, str) and _FIELD.fullmatch(part)
        path += f".{part}" if plain else f"[{part!r}]"
    return path


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _nested_model(kind: Any, value: Any) -> Any:
    """Validate a pydantic model inside another type, such as `list[Model]`."""
    if not _is_model(kind):
        raise TypeError(f"data cannot be validated as {kind!r}")
    try:
        return _validate_model(kind, value)
    except InvalidData as error:
        # msgspec adds the place of the model; ours would name it twice.
        raise ValueError(str(error).replace("data.", "", 1)) from None


def _schema(kind: Any) -> dict[str, Any]:
    """Return the JSON schema of a type; making one also shows that the type will do."""
    if _is_model(kind):
        schema: dict[str, Any] = kind.model_json_schema()
        return schema
    try:
        return msgspec.json.schema(kind, schema_hook=_nested_schema)
    except NameError as error:
        raise TypeError(f"{error}, in a type that is used inside it") from error


def _nested_schema(kind: Any) -> dict[str, Any]:
    if not _is_model(kind):
        raise TypeError(f"{kind!r} is not {SUPPORTED}")
    schema: dict[str, Any] = kind.model_json_schema()
    return schema
