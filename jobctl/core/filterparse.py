"""The grammar of filters: from text to terms.

    filter = term *( space term )            all of them must hold
    term   = field *( "." part ) operator value *( "," value )
    value  = text, in which `*` is a wildcard; "quoted" or 'quoted' it is taken as it is

docs/filters.md explains it. Every error points at the place where it was found.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import NoReturn

from jobctl.core import filterfields as fields
from jobctl.core.data import show
from jobctl.core.filterterms import ANYTHING, TICK, Pattern, Span, Term, Value
from jobctl.core.job import Outcome
from jobctl.core.options import parse_time
from jobctl.core.text import clean, meant, unknown
from jobctl.core.units import seconds
from jobctl.errors import InvalidFilter, InvalidJob

#: Makes of a time without a zone one with a zone.
Localize = Callable[[datetime], datetime]

#: How long a filter may be, how many values a term may have, and how many terms there may be.
MAX_LENGTH = 20_000
MAX_VALUES = 500
MAX_TERMS = 100
#: How much of a filter stands above a caret, and how much of that before it.
SHOWN, BEFORE = 76, 50

_WORD = re.compile(r"[^\s:=!<>~.,\"']+")
_PART = re.compile(r"""\.(?:"([^"]*)"|'([^']*)'|([^\s:=!<>~.,"']+))""")
_OPERATOR = re.compile("|".join(fields.OPERATORS))
_WRONG = re.compile(r"[:=!<>~]{2,}|!")
_PIECE = re.compile(r"[^\s,*]+")
# Texts: many a filter has no number and no day, and re keeps what it has compiled.
_INTEGER = r"[+-]?[0-9]{1,100}"
_NUMBER = r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?"
_DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"


class Parser:
    """Reads one filter from its beginning to its end. All methods may raise InvalidFilter."""

    def __init__(self, text: str, localize: Localize | None) -> None:
        self.text = text
        self.at = 0
        self._localize = localize
        if len(text) > MAX_LENGTH:
            self.at = MAX_LENGTH
            self.fail(f"it has {len(text):,} characters: {MAX_LENGTH:,} are allowed")

    def terms(self) -> tuple[Term, ...]:
        """Return all terms."""
        found: list[Term] = []
        while self._skip_space():
            if len(found) == MAX_TERMS:
                self.fail(f"a filter has {MAX_TERMS} terms at most")
            found.append(self._term())
        return tuple(found)

    def fail(self, problem: str, at: int | None = None) -> NoReturn:
        """Raise InvalidFilter for what stands at a place."""
        at = self.at if at is None else at
        start = max(0, at - BEFORE)
        shown = clean(self.text[start : start + SHOWN])
        caret = " " * len(clean(self.text[start:at])) + "^"
        raise InvalidFilter(f"filter: {problem}\n  {shown}\n  {caret}", at + 1)

    def _skip_space(self) -> bool:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1
        return self.at < len(self.text)

    def _term(self) -> Term:
        start = self.at
        word = self._take(_WORD)
        path: list[str] = []
        dot = self.at
        while match := _PART.match(self.text, self.at):
            self.at = match.end()
            path.append(next(part for part in match.groups() if part is not None))
        operator_at = self.at
        op = self._operator(word, start)
        if word not in fields.FILTER_FIELDS:
            there = f"there are {_list(fields.FIELDS)}"
            hint = meant(word.lower(), fields.FILTER_FIELDS, there)
            self.fail(f"there is no field {_show(word)}: {hint}", start)
        field = fields.ALIASES.get(word, word)
        if path:
            self._check_parts(field, path, dot)
        kind = fields.FIELDS[field]
        if op not in fields.TAKES[kind]:
            self.fail(f"{word} takes {' '.join(fields.TAKES[kind])} and not {op}", operator_at)
        values = self._values(word, kind, op)
        field = "created" if field == "age" else field
        return Term(field, "=" if op == ":" else op, values, tuple(path))

    def _operator(self, word: str, start: int) -> str:
        wrong = _WRONG.match(self.text, self.at)
        if wrong and wrong[0] not in fields.OPERATORS and word:
            self.fail(f"there is no operator {wrong[0]}: use {' '.join(fields.OPERATORS)}")
        op = self._take(_OPERATOR)
        if not op and word in fields.FILTER_FIELDS:
            self.fail(f"an operator is missing after {word}: {' '.join(fields.OPERATORS)}")
        if not op or not word:
            what = _show(self.text[start:].split(maxsplit=1)[0])
            self.fail(
                f"{what} is no term such as status:failed; quote a value that has spaces",
                start,
            )
        return op

    def _check_parts(self, field: str, path: list[str], dot: int) -> None:
        if field not in fields.WITH_PARTS:
            self.fail(f"{field} has no parts: only {_list(fields.WITH_PARTS)} have", dot)
        if field == "error" and (len(path) > 1 or path[0] not in fields.ERROR_PARTS):
            self.fail(f"error has the parts {_list(fields.ERROR_PARTS)}", dot + 1)

    def _values(self, word: str, kind: str, op: str) -> tuple[Value, ...]:
        values: list[Value] = []
        while True:
            start = self.at
            pattern, quoted = self._pattern(word)
            values.append(self._value(word, kind, op, pattern, quoted, start))
            if self.text[self.at : self.at + 1] != ",":
                return tuple(values)
            if op in fields.ORDER:
                self.fail(f"{op} compares with one value and not with several")
            if len(values) == MAX_VALUES:
                self.fail(f"a term has {MAX_VALUES} values at most")
            self.at += 1

    def _pattern(self, word: str) -> tuple[Pattern, bool]:
        """Read one value; return it, and whether there were quotes."""
        start, quoted = self.at, False
        pieces = [""]
        fresh = True  # whether a quote would open a quoted text
        while (char := self.text[self.at : self.at + 1]) and char != "," and not char.isspace():
            if char in "\"'" and fresh:
                end = self.text.find(char, self.at + 1)
                if end < 0:
                    self.fail("the quote that begins here does not end")
                pieces[-1] += self.text[self.at + 1 : end]
                self.at, quoted = end + 1, True
            elif char == "*":
                pieces.append("")
                self.at += 1
            else:
                pieces[-1] += self._take(_PIECE)
            fresh = char == "*"
        if self.at == start:
            self.fail(f'a value is missing for {word}; the empty text is ""')
        return Pattern(tuple(pieces)), quoted

    def _value(
        self, word: str, kind: str, op: str, pattern: Pattern, quoted: bool, start: int
    ) -> Value:
        """Return what a value means for a field of this kind."""
        text = pattern.text
        if kind == fields.TEXT or (pattern == ANYTHING and op in fields.EQUALITY):
            return pattern
        if kind == fields.DATA:
            return Pattern(pattern.pieces, None if quoted else _number(text))
        if kind == fields.STATUS:
            return self._word(word, text, fields.STATUSES, start)
        if kind == fields.OUTCOME:
            return self._word(word, text, tuple(Outcome), start)
        if kind == fields.NUMBER:
            number = _number(text)
            if number is None:
                self.fail(f"{_show(text)} is not a number", start)
            return number
        return self._time(kind, op, text, start)

    def _word(self, word: str, text: str, choices: tuple[str, ...], start: int) -> Pattern:
        if text not in choices:
            self.fail(unknown(word, text, [str(choice) for choice in choices]), start)
        return Pattern((text,))

    def _time(self, kind: str, op: str, text: str, start: int) -> Value:
        try:
            length = seconds(text)
        except InvalidJob:
            length = None
        if length is not None:
            if kind == fields.TIME and op in fields.EQUALITY:
                self.fail(f"a duration needs < or >: <{text} is less than {text} away", start)
            return length
        if kind != fields.TIME:
            self.fail(f"{_show(text)} is not a duration: write 90s, 5m, 2h30m or 7d", start)
        return self._span(text, start)

    def _span(self, text: str, start: int) -> Span:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            self.fail(
                f"{_show(text)} is neither a duration (90s, 2h30m, 7d) nor a time "
                "(2026-12-31, 2026-12-31T23:59:59Z)",
                start,
            )
        try:
            end = moment + (timedelta(days=1) if re.fullmatch(_DAY, text) else TICK)
            if moment.tzinfo is None and self._localize is not None:
                moment, end = self._localize(moment), self._localize(end)
            return Span(parse_time(moment), parse_time(end))
        except InvalidJob as err:
            self.fail(str(err), start)
        except (OverflowError, ValueError):
            self.fail(f"the time {_show(text)} is beyond the calendar", start)

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if match is None:
            return ""
        self.at = match.end()
        return match[0]


def local(moment: datetime) -> datetime:
    """Return a time without a zone as one of this machine."""
    return moment.astimezone(UTC)


def _number(text: str) -> int | float | None:
    if re.fullmatch(_INTEGER, text):
        return int(text)
    return float(text) if re.fullmatch(_NUMBER, text) else None


def _show(text: str) -> str:
    return show(text)[:60]


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)
