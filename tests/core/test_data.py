"""What a job may carry."""

from __future__ import annotations

import enum
import uuid
from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobctl.core.data import DEPTH, parse_json, plain
from jobctl.errors import InvalidJob
from tests.helpers import NOON

MIB = 1 << 20
HALF = "\ud800"


@dataclass
class Mail:
    to: str
    weight: float = 1.0


class Order(msgspec.Struct):
    number: int
    mails: list[Mail]


class Model(pydantic.BaseModel):
    when: date


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Text(str):
    __slots__ = ()


Point = namedtuple("Point", "x y")


def nested(depth: int, leaf: Any = 1) -> Any:
    for _ in range(depth):
        leaf = [leaf]
    return leaf


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ((1, (2, "x")), [1, [2, "x"]]),
        (OrderedDict(a=1), {"a": 1}),
        ({"mail": Mail("a@b.c")}, {"mail": {"to": "a@b.c", "weight": 1.0}}),
        ([Order(7, [Mail("x")])], [{"number": 7, "mails": [{"to": "x", "weight": 1.0}]}]),
        ({"m": Model(when=date(2026, 1, 2))}, {"m": {"when": "2026-01-02"}}),
        ([Colour.RED, Level.HIGH, Text("t")], ["red", 3, "t"]),
        ({Colour.RED: 1, Text("k"): 2}, {"red": 1, "k": 2}),
        ([NOON, date(2026, 1, 2)], ["2026-11-24T12:00:00Z", "2026-01-02"]),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ([-(2**63), 2**64 - 1, 1e308, -0.0], [-(2**63), 2**64 - 1, 1e308, -0.0]),
        (None, None),
    ],
)
def test_what_is_accepted(value: Any, wanted: Any) -> None:
    result = plain(value, "data", MIB)
    assert result == wanted
    assert type(result) is type(wanted)


def test_the_copy_is_nobody_elses() -> None:
    mine = {"list": [1]}
    kept = plain(mine, "data", MIB)
    mine["list"].append(2)
    assert kept == {"list": [1]}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"user": {"when": object()}}, r"data\.user\.when is of type object"),
        ({"a": [1, {"b": float("nan")}]}, r"data\.a\[1\]\.b is nan"),
        (float("-inf"), "data is -inf"),
        ({"a": [Mail("x", float("inf"))]}, r"data\.a\[0\]\.weight is inf"),
        ({"odd key": {1}}, r"data\['odd key'\] is of type set.*pass a list"),
        ({"n": 2**64}, r"data\.n is a whole number beyond"),
        ({"n": -(2**63) - 1}, r"data\.n is a whole number beyond"),
        ({"x": {1: 2}}, r"data\.x has the key 1: JSON has text keys only"),
        ({None: 2}, r"data has the key None"),
        ({"s": HALF}, r"data\.s holds half of a surrogate"),
        ({HALF: 1}, r"data holds half of a surrogate"),
        (b"x", r"data is of type bytes.*base64"),
        ({"d": Decimal("1.5")}, r"data\.d is of type Decimal.*str"),
        (Point(1, 2), r"data is of type Point"),
        (int, r"data is of type type"),
        (nested(DEPTH + 1), r"data\[0\].* is nested deeper than 100 levels"),
        (nested(100_000), r"data\[0\].* is nested deeper than 100 levels"),
        ("x" * MIB, r"data is too large: 1,048,578 bytes as JSON, the limit is 1,048,576"),
        ([1] * MIB, r"data is too large: over 1,048,576 values"),
    ],
)
def test_what_is_refused(value: Any, message: str) -> None:
    with pytest.raises(InvalidJob, match=f"^{message}") as caught:
        plain(value, "data", MIB)
    text = str(caught.value)
    assert len(text) < 500
    assert text.isprintable()


def test_the_deepest_and_the_largest_that_fit() -> None:
    assert plain(nested(DEPTH), "data", MIB) == nested(DEPTH)
    assert len(plain("x" * (MIB - 2), "data", MIB)) == MIB - 2
    assert plain([], "data", 2) == []
    with pytest.raises(InvalidJob, match="3 bytes as JSON, the limit is 2 bytes"):
        plain([1], "data", 2)


def test_data_that_holds_itself_is_refused() -> None:
    ring: list[Any] = []
    ring.append(ring)
    with pytest.raises(InvalidJob, match="deeper"):
        plain(ring, "data", MIB)


def test_one_list_many_times_over_is_not_walked_for_ever() -> None:
    bomb: list[Any] = []
    for _ in range(DEPTH - 1):
        bomb = [bomb, bomb]
    with pytest.raises(InvalidJob, match="too large"):
        plain(bomb, "data", MIB)


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None))
    | st.binary()
    | st.sampled_from([object(), Decimal(1), Mail("x"), Level.HIGH, NOON, {1}, Text("k")]),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(st.characters(codec=None)) | st.integers(), inner)
    ),
)


@given(ANYTHING)
def test_what_is_accepted_survives_json_and_the_rest_is_refused(value: Any) -> None:
    try:
        result = plain(value, "data", 10_000)
    except InvalidJob as err:
        str(err).encode()
        return
    text = msgspec.json.encode(result)
    assert len(text) <= 10_000
    assert msgspec.json.decode(text) == result
    assert parse_json(text, "data") == result
    assert plain(result, "data", 10_000) == result


@pytest.mark.parametrize(
    "text",
    ["{}", b'\xef\xbb\xbf{"a": 1}', '[1, "\\u00e4", 1.5, null] ', "18446744073709551615"],
)  # fmt: skip
def test_json_that_is_read(text: str | bytes) -> None:
    raw = text.encode() if isinstance(text, str) else text.removeprefix(b"\xef\xbb\xbf")
    assert parse_json(text, "DATA") == msgspec.json.decode(raw)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "DATA is not JSON: Expecting value at line 1 column 1"),
        ("{", "DATA is not JSON"),
        ("{'a': 1}", "DATA is not JSON"),
        ("[1,]", "DATA is not JSON"),
        ("1 2", "DATA is not JSON"),
        (b"\xff", "DATA is not UTF-8"),
        ('{"a": {"b": 1, "b": 2}}', "DATA is refused: the key 'b' stands twice"),
        ("[NaN]", "DATA is refused: it holds NaN"),
        ("-Infinity", "DATA is refused: it holds -Infinity"),
        ("1e999", "DATA is refused: the number 1e999"),
        ("18446744073709551616", "DATA is refused: the whole number 18446744073709551616"),
        ("9" * 1_000_000, "DATA is refused: the whole number 999"),
        ('["\\ud800"]', r"DATA\[0\] holds half of a surrogate"),
        ('{"\\udfff": 1}', "DATA holds half of a surrogate"),
        ("[" * 101 + "]" * 101, r"DATA.* is nested deeper"),
        ("[" * 1_000_000, "DATA is nested deeper"),
        ('{"a":' * 50_000 + "1" + "}" * 50_000, "DATA is nested deeper"),
    ],
    ids=range(17),
)
def test_json_that_is_refused(text: str | bytes, message: str) -> None:
    with pytest.raises(InvalidJob, match=f"^{message}") as caught:
        parse_json(text, "DATA")
    assert len(str(caught.value)) < 500


@given(st.text() | st.binary())
def test_any_text_is_read_or_refused(text: str | bytes) -> None:
    try:
        parse_json(text, "DATA")
    except InvalidJob as err:
        str(err).encode()
