"""What a request asks for, checked against the type that says what it may ask."""

from __future__ import annotations

from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from litestar import Request

from jobctl.core.data import parse_json, show
from jobctl.core.text import meant
from jobctl.errors import InvalidJob
from jobctl.web.problems import Refused

T = TypeVar("T", bound=msgspec.Struct)
AnyRequest = Request[Any, Any, Any]


def query(request: AnyRequest, kind: type[T]) -> T:
    """Return what the query says. Raises InvalidJob for what is no field of `kind`."""
    text = request.scope["query_string"].decode("latin-1")
    found: dict[str, str] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        if name in found:
            raise InvalidJob(f"{show(name)} stands twice in the query: give it once")
        found[name] = value
    return _convert(found, kind, strict=False)


def body(raw: bytes, kind: type[T]) -> T:
    """Return what the body says; an empty one says nothing.

    Raises Refused (400) for what is not JSON, InvalidJob for what does not fit `kind`.
    """
    value: Any = {}
    if raw.strip():
        try:
            value = parse_json(raw, "the body")
        except InvalidJob as err:
            raise Refused(400, str(err)) from None
    return _convert(value, kind, strict=True)


def _convert(value: Any, kind: type[T], *, strict: bool) -> T:
    known = [field.encode_name for field in msgspec.structs.fields(kind)]
    if isinstance(value, dict):
        for key in value:
            if key not in known:
                there = f"there are {', '.join(known)}" if known else "none is known here"
                raise InvalidJob(f"field {show(key)} is unknown: {meant(key, known, there)}")
    try:
        return msgspec.convert(value, kind, strict=strict)
    except msgspec.ValidationError as err:
        # `Expected `int`, got `str` - at `$.limit`` -> limit: expected `int`, got `str`
        message, _, place = str(err).partition(" - at ")
        field = place.strip("`").removeprefix("$").lstrip(".")
        said = message[:1].lower() + message[1:]
        raise InvalidJob(f"{field}: {said}" if field else said) from None
