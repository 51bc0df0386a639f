"""What tests of this folder share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.services.explaining import Watched


@pytest.fixture
def store() -> Iterator[Watched]:
    """A store whose daemon is as the test says."""
    opened = Watched()
    yield opened
    opened.close()
