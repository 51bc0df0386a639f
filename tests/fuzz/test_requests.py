"""Bodies and queries of requests: an answer of the contract, whatever they hold."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, quote_from_bytes

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobctl.errors import InvalidJob
from tests.fuzz.mutating import as_bytes, json_values, mutated, tries

pytest.importorskip("litestar")

from jobctl.web import asked, records
from jobctl.web.problems import Refused

KINDS: list[type[msgspec.Struct]] = [
    records.Page,
    records.NewJob,
    records.Cleanup,
    records.Bulk,
]
QUERIES = [
    "limit=50&offset=0",
    "status=failed&name=a*",
    "filter=status:failed%20age%3E2h",
    "cursor=5",
]
BODIES = [
    '{"name":"x","data":{"a":1},"delay":"5m","tags":["t"]}',
    '{"older_than":"7d","dry_run":true}',
    '{"action":"retry","filter":"status:failed","dry_run":false}',
]


class Asked:
    """What `query` wants to know of a request."""

    def __init__(self, query: bytes) -> None:
        self.scope = {"query_string": query}


@given(text=mutated(BODIES), kind=st.sampled_from(KINDS))
@tries
def test_bodies(text: str, kind: type[msgspec.Struct]) -> None:
    try:
        found = asked.body(as_bytes(text), kind)
    except (Refused, InvalidJob) as err:
        assert str(err)
    else:
        assert isinstance(found, kind)


@given(
    value=json_values, kind=st.sampled_from(KINDS), key=st.sampled_from(["data", "filter", "x"])
)
@tries
def test_values_in_bodies(value: Any, kind: type[msgspec.Struct], key: str) -> None:
    try:
        text = msgspec.json.encode({"name": "x", "action": "retry", key: value})
    except (UnicodeEncodeError, OverflowError):
        return
    try:
        asked.body(text, kind)
    except (Refused, InvalidJob) as err:
        assert str(err)


@given(text=mutated(QUERIES), kind=st.sampled_from(KINDS), quoted=st.booleans())
@tries
def test_queries(text: str, kind: type[msgspec.Struct], quoted: bool) -> None:
    raw = as_bytes(text)
    query = quote_from_bytes(raw).encode() if quoted else raw
    try:
        found = asked.query(Asked(query), kind)  # type: ignore[arg-type]
    except InvalidJob as err:
        assert str(err)
    else:
        assert isinstance(found, kind)
    assert quote("") == ""
