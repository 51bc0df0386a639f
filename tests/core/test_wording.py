"""How errors are said."""

from __future__ import annotations

import pytest

from jobctl.core.job import JobError
from jobctl.core.wording import error_line, error_sentence, error_text


@pytest.mark.parametrize(
    ("message", "text", "sentence"),
    [
        ("no", "E: no", "E: no"),
        ("", "E", "E"),
        (" \n", "E", "E"),
        ("one\ntwo", "E: one\ntwo", "E: one"),
    ],
)
def test_an_error(message: str, text: str, sentence: str) -> None:
    error = JobError("E", message)
    assert (error_text(error), error_sentence(error), error_line(error)) == (
        text,
        sentence,
        sentence,
    )


def test_only_a_line_of_a_table_is_cut() -> None:
    error = JobError("E", "x" * 200)
    assert error_sentence(error) == "E: " + "x" * 200
    assert error_line(error) == "E: " + "x" * 114 + "..."
    assert (error_line(None), error_sentence(None)) == ("", "")
