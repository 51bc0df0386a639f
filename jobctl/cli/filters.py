"""Filters among the arguments of a command."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from jobctl.core.filterfields import FILTER_FIELDS, WITH_PARTS
from jobctl.core.text import nearest

if TYPE_CHECKING:
    from jobctl.core.filters import Filter

#: One of them is in every filter.
_OPERATORS = frozenset(":=<>~")

Filters = Annotated[
    list[str] | None,
    typer.Argument(metavar="[FILTER...]", help="Such as status:failed age>2h; all must hold."),
]


#: Of a command for ids or a filter.
Targets = Annotated[
    list[str],
    typer.Argument(
        metavar="ID...|FILTER...",
        help="Ids, or beginnings that only one has; or a filter, such as status:failed age>2h.",
    ),
]


def given(arguments: Sequence[str]) -> Filter | None:
    """Return the filter that the arguments are, None if they are ids.

    Raises InvalidFilter, which points at an id among filters, too.
    """
    return parse(arguments) if any(map(is_filter, arguments)) else None


def hint(argument: str) -> str:
    """Return what is said beside the news that there is no such job, if a filter was meant."""
    word, colon, value = argument.partition(":")
    right = nearest(word.lower(), list(FILTER_FIELDS)) if colon else None
    return f" (for a filter: did you mean {right}:{value}?)" if right else ""


def is_filter(argument: str) -> bool:
    """Return whether an argument is a filter, or meant as one, and no id."""
    if _OPERATORS.isdisjoint(argument):
        return False
    fields, parts = "|".join(FILTER_FIELDS), "|".join(WITH_PARTS)
    # A field and an operator, or any word and an operator that no id has: a mistyped field.
    word = r"[A-Za-z_]+(?:\.[^:=!<>~]*)?(?:[=<>~]|!=)"
    return re.match(rf"\s*(?:(?:{fields}|(?:{parts})\.[^:]*):|{word})", argument) is not None


def parse(arguments: Sequence[str]) -> Filter:
    """Return the filter that the arguments are together. Raises InvalidFilter.

    Times without a zone are those of this machine.
    """
    from jobctl.core.filterparse import local
    from jobctl.core.filters import Filter

    return Filter.parse(" ".join(arguments), local)
