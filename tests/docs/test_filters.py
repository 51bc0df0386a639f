"""The guide to filters says what is true."""

from __future__ import annotations

import re
from datetime import UTC

from jobctl.core.filterfields import ALIASES, FIELDS, OPERATORS, STATUSES, TAKES
from jobctl.core.filters import Filter
from jobctl.core.job import Outcome
from tests.docs.conftest import ROOT

GUIDE = (ROOT / "docs/filters.md").read_text(encoding="utf-8")
_TERM = re.compile(rf"[a-z_.\"]+(?:{'|'.join(OPERATORS)})\S.*")


def test_every_filter_of_the_guide_can_be_read() -> None:
    texts = [text for text in re.findall(r"`([^`\n]+)`", GUIDE) if _TERM.fullmatch(text)]
    assert len(texts) > 25
    for text in texts:
        Filter.parse(text, lambda moment: moment.replace(tzinfo=UTC))


def test_the_table_has_every_field_with_its_operators() -> None:
    told: dict[str, str] = {}
    for names, operators in re.findall(r"^\| ((?:`\w+` ?)+) \| (.+?) \|", GUIDE, re.MULTILINE):
        for name in re.findall(r"\w+", names):
            told[name] = operators.strip("`")
    assert told.keys() == FIELDS.keys()
    for name, kind in FIELDS.items():
        operators = " ".join(TAKES[kind])
        assert told[name] == ("all" if set(TAKES[kind]) == set(OPERATORS) else operators), name


def test_every_word_is_there() -> None:
    for word in (*STATUSES, *Outcome):
        assert re.search(rf"\b{word}\b", GUIDE), word
    assert any(alias in GUIDE for alias in ALIASES)
