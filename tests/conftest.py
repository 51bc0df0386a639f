"""Fixtures that tests of all folders share."""

from __future__ import annotations

import pytest

from tests.helpers import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    """A clock that moves only when it is told to; it begins at noon."""
    return FakeClock()
