from __future__ import annotations

import os

import pytest


@pytest.fixture(scope="session")
def full_size() -> bool:
    """Whether crash tests run at full size: JOBCTL_FULL=1, as `make crash-test` sets it."""
    return bool(os.environ.get("JOBCTL_FULL"))
