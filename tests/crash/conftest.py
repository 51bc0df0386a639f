from __future__ import annotations

import os

import pytest


@pytest.fixture(scope="session")
def full_size() -> bool:
    """Whether crash tests run at full size: `make crash-test` sets JOBCTL_FULL."""
    return bool(os.environ.get("JOBCTL_FULL"))
