"""Texts that were right before something happened to them, and how often each is tried."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

FULL = bool(os.environ.get("JOBCTL_FULL"))
#: What parsers stumble over.
ODD = (
    "", " ", "\n", "\r\n", "\t", "\0", "\x1b[31m", "\u2028", "\ud800", "\u0663", "\uff11",
    "\u00e9", "\u202e", "\ufeff", "'", '"', '"""', "\\", "\\u0000", "\\ud800", "#", ",", ",,",
    ":", "::", "=", ":=", "!=", ">=", "<=", "~", "*", "**", "%", "/", "//", "-", "--", "+",
    "..", "[", "]", "[[", "{", "}", "(", ")", "@", "$", "&", "0", "-0", "00", "1e999", "-1",
    "9" * 25, "0x10", "1_000", "NaN", "Infinity", "null", "true", "1979-05-27",
    "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+23:59", "[" * 300, "{" * 40,
    '{"a":' * 200, "a.b.c", "*/0", "L", "W", "0-59/7", "SUN-SAT", "@daily", "x" * 600,
)  # fmt: skip

tries = settings(
    max_examples=5000 if FULL else 60,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def mutated(samples: Sequence[str]) -> st.SearchStrategy[str]:
    """Return texts that differ from one of `samples` in some places, or are joined of two."""
    pieces = st.sampled_from(ODD) | st.text(max_size=6)
    edits = st.lists(
        st.tuples(
            st.sampled_from(["insert", "replace", "delete", "double", "swap"]),
            st.integers(0, 10**6),
            st.integers(0, 12),
            pieces,
        ),
        max_size=4,
    )
    return st.builds(_edit, st.sampled_from(list(samples)), edits) | st.text(max_size=40)


def _edit(text: str, edits: list[tuple[str, int, int, str]]) -> str:
    for how, place, length, piece in edits:
        at = place % (len(text) + 1)
        taken = text[at : at + length]
        if how == "insert":
            text = text[:at] + piece + text[at:]
        elif how == "replace":
            text = text[:at] + piece + text[at + length :]
        elif how == "delete":
            text = text[:at] + text[at + length :]
        elif how == "double":
            text = text[:at] + taken + text[at:]
        else:
            text = text[at:] + text[:at]
    return text


def as_bytes(text: str) -> bytes:
    """Return a text as bytes that need not be UTF-8."""
    return text.encode("utf-8", "surrogatepass")


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**65)
    | st.floats()
    | st.text(max_size=10)
    | st.sampled_from(ODD),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
