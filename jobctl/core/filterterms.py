"""What a filter is made of: terms, and the values that they compare with."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

#: The least distance between two times of a record.
TICK = timedelta(microseconds=1)


class Pattern(msgspec.Struct, frozen=True):
    """Text in which `*` stands for any other. `pieces` are what stands between the stars.

    `number` is what the text says as a number, if it was not quoted and is one.
    """

    pieces: tuple[str, ...]
    number: int | float | None = None

    @property
    def exact(self) -> str | None:
        """The one text that fits, None if others may."""
        return self.pieces[0] if len(self.pieces) == 1 else None

    def fits(self, text: str) -> bool:
        """Return whether `text` is of this pattern; upper and lower case differ."""
        first, *others = self.pieces
        if not others:
            return text == first
        *middle, last = others
        if not text.startswith(first):
            return False
        at, end = len(first), len(text) - len(last)
        for piece in middle:
            found = text.find(piece, at, end)
            if found < 0:
                return False
            at = found + len(piece)
        return at <= end and text.endswith(last)

    @property
    def text(self) -> str:
        """The pattern as it was written, without quotes."""
        return "*".join(self.pieces)


#: A lone `*`: whatever has a value at all.
ANYTHING = Pattern(("", ""))


class Span(msgspec.Struct, frozen=True):
    """The time from `start` to just before `end`: one moment, or a day that was named."""

    start: datetime
    end: datetime


#: What a term compares with: durations are seconds.
Value = Pattern | Span | int | float


class Term(msgspec.Struct, frozen=True):
    """One condition. It holds if the field compares so with any of the values; `!=`: none.

    `field` is one of filterfields.FIELDS but `age` (which is `created`), `op` one of its
    OPERATORS but `:` (which is `=`). `path` leads to a part of it.
    """

    field: str
    op: str
    values: tuple[Value, ...]
    path: tuple[str, ...] = ()


def interval(
    term: Term, value: Span | int | float, now: datetime
) -> tuple[datetime | None, datetime | None]:
    """Return from when to just before when a time must be for a term to hold; None is open.

    Of `!=` it is the time that is excluded. A duration is how long ago it was, of run_at how
    far ahead it is.
    """
    op = term.op
    if isinstance(value, Span):
        start, end = value.start, value.end
    else:
        ahead = term.field == "run_at"
        distance = timedelta(seconds=value)
        start = now + distance if ahead else now - distance
        end = start + TICK
        if not ahead:  # longer ago is earlier
            op = {">": "<", ">=": "<=", "<": ">", "<=": ">="}.get(op, op)
    ends = {">": (end, None), ">=": (start, None), "<": (None, start), "<=": (None, end)}
    return ends.get(op, (start, end))
