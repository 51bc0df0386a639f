"""The filter language: text -> Filter -> predicate. docs/filters.md explains it.

    Filter.parse("status:failed age>2h").predicate(now)(job)

A filter is plain data, so that a store may answer from its index what it can; the
predicate is what it has to agree with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import msgspec

from jobctl.core.filterfields import STATUSES
from jobctl.core.filterterms import Pattern, Span, Term
from jobctl.core.job import AnyJob
from jobctl.core.text import unknown
from jobctl.errors import InvalidJob


class Filter(msgspec.Struct, frozen=True):
    """Terms that all have to hold; without any every job passes."""

    terms: tuple[Term, ...] = ()

    @classmethod
    def parse(cls, text: str, localize: Callable[[datetime], datetime] | None = None) -> Filter:
        """Return the filter that `text` describes.

        `localize` gives a zone to times that have none; they are refused without it.
        Raises InvalidFilter.
        """
        from jobctl.core.filterparse import Parser

        return cls(Parser(text, localize).terms())

    @classmethod
    def any_of(cls, field: str, texts: Iterable[str]) -> Filter:
        """Return the filter for jobs of which a text field is one of `texts`."""
        return cls((Term(field, "=", tuple(Pattern((text,)) for text in texts)),))

    @classmethod
    def having(cls, status: str | None = None, name: str | None = None) -> Filter:
        """Return the filter for jobs of exactly this status and name; None is any."""
        given = {"status": status, "name": name}
        terms = (cls.any_of(field, (text,)).terms for field, text in given.items() if text)
        return cls(tuple(term for (term,) in terms))

    @classmethod
    def finished_before(cls, moment: datetime) -> Filter:
        """Return the filter for jobs that had finished by a moment in UTC."""
        return cls((Term("finished", "<", (Span(moment, moment),)),))

    @property
    def quick(self) -> bool:
        """Whether a store knows how many jobs pass without looking at them."""
        return all(term.field in ("name", "status") for term in self.terms)

    def __and__(self, other: Filter) -> Filter:
        return Filter(self.terms + other.terms)

    def predicate(self, now: datetime) -> Callable[[AnyJob], bool]:
        """Return what says whether a job passes, `now` being the time in UTC."""
        from jobctl.core.filtertests import condition

        tests = [condition(term, now) for term in self.terms]
        return lambda job: all(test(job) for test in tests)


EVERY = Filter()
#: For a filter that does not depend on the time.
NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def with_status(text: str) -> Filter:
    """Return the filter for a status, or for several with commas. Raises InvalidJob."""
    words = text.split(",")
    for word in words:
        if word not in STATUSES:
            raise InvalidJob(unknown("status", word, list(STATUSES)))
    return Filter.any_of("status", words)


def with_name(text: str) -> Filter:
    """Return the filter for a name, or for several with commas; `*` stands for any text."""
    patterns = tuple(Pattern(tuple(part.split("*"))) for part in text.split(","))
    return Filter((Term("name", "=", patterns),))
