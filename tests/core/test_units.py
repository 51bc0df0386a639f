"""Durations, sizes, and text made safe to show."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobctl.core.text import clean, nearest
from jobctl.core.units import LONGEST, human_duration, human_size, seconds, size
from jobctl.errors import InvalidJob


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("90s", 90), ("5m", 300), ("2h30m", 9000), ("1.5d", 129600), ("1w", 604800),
        ("250ms", 0.25), (" 7d ", 604800), ("12", 12), (0, 0), (1.5, 1.5),
        (timedelta(minutes=2), 120), (LONGEST, LONGEST),
    ],
)  # fmt: skip
def test_durations(value: object, wanted: float) -> None:
    assert seconds(value) == pytest.approx(wanted)


@pytest.mark.parametrize(
    "value",
    [
        "", "soon", "5 m", "5x", "-5s", "m5", "\u0665s", "1e3", None, True, [], -1,
        float("nan"), float("inf"), LONGEST + 1, 10**400, "9" * 400 + "d",
        timedelta(seconds=-1),
    ],
)  # fmt: skip
def test_no_durations(value: object) -> None:
    with pytest.raises(InvalidJob, match="duration"):
        seconds(value)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [("1MiB", 1 << 20), ("64k", 65536), ("1.5 KB", 1536), ("2g", 2 << 30), ("17", 17), (0, 0)],
)
def test_sizes(value: object, wanted: int) -> None:
    assert size(value) == wanted


@pytest.mark.parametrize("value", ["", "big", "-1", "1EiB", None, True, 1.5, -1, "\u0661"])
def test_no_sizes(value: object) -> None:
    with pytest.raises(InvalidJob, match="size"):
        size(value)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [(0.35, "350ms"), (1, "1s"), (2.5, "2.5s"), (12.4, "12s"), (250, "4m10s"), (3600, "1h"),
     (259200, "3d"), (90061, "1d1h")],
)  # fmt: skip
def test_durations_for_people(value: float, wanted: str) -> None:
    assert human_duration(value) == wanted


@pytest.mark.parametrize(
    ("value", "wanted"),
    [(512, "512 B"), (1536, "1.5 KiB"), (1 << 20, "1 MiB"), (200 << 20, "200 MiB"),
     (5 << 40, "5 TiB")],
)  # fmt: skip
def test_sizes_for_people(value: int, wanted: str) -> None:
    assert human_size(value) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("plain \u00e4\u20ac\U0001f600", "plain \u00e4\u20ac\U0001f600"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\x9b1m\x7f\x00", "\\x9b1m\\x7f\\x00"),
        ("a\u202eb\u2066c\u200bd", "a\\u202eb\\u2066c\\u200bd"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("a\n\tb\r", "a\\x0a\\x09b\\x0d"),
    ],
)
def test_clean_escapes_what_steers_a_terminal(text: str, wanted: str) -> None:
    assert clean(text) == wanted


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (0, 0x1F), (0x7F, 0x9F), (0xAD, 0xAD), (0x61C, 0x61C), (0x180E, 0x180E),
        (0x200B, 0x200F), (0x2028, 0x202E), (0x2060, 0x206F), (0xD800, 0xDFFF),
        (0xFEFF, 0xFEFF), (0xFFF9, 0xFFFB), (0xE0000, 0xE007F),
    ],
)  # fmt: skip
def test_clean_lets_none_of_them_through(first: int, last: int) -> None:
    for code in range(first, last + 1):
        assert clean(f"a{chr(code)}").isascii(), hex(code)


def test_clean_leaves_other_languages_alone() -> None:
    text = "Grüße, 你好, שלום, \u00a0 \U0001f600"
    assert clean(text) == text


def test_clean_keeps_lines_of_a_block() -> None:
    assert clean("a\n\tb\r\x1b", lines=True) == "a\n\tb\\x0d\\x1b"


@given(st.text(st.characters(codec=None)))
def test_clean_text_is_clean_and_can_be_encoded(text: str) -> None:
    once = clean(text)
    assert clean(once) == once
    once.encode()


def test_nearest_finds_what_was_meant() -> None:
    assert nearest("prioritty", ["priority", "timeout"]) == "priority"
    assert nearest("xyz", ["priority", "timeout"]) is None
