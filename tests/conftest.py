"""Fixtures that tests of all folders share."""

from __future__ import annotations

import os

import pytest

from tests.helpers import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    """A clock that moves only when it is told to; it begins at noon."""
    return FakeClock()


@pytest.fixture(scope="session")
def full_size() -> bool:
    """Whether crash tests run at full size: `make crash-test` sets JOBCTL_FULL."""
    return bool(os.environ.get("JOBCTL_FULL"))
