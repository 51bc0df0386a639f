"""Whatever is done to it, and goes wrong with it, a store answers as the reference store does.

`make model-test` runs it for long.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.contract.crashes import CrashMachine
from tests.contract.subjects import SUBJECTS

FULL = bool(os.environ.get("JOBCTL_FULL"))
#: `make model-test EXAMPLES=N` tries more or fewer.
EXAMPLES = int(os.environ.get("JOBCTL_EXAMPLES", "2000" if FULL else "12"))


def machine(kind: str) -> type[CrashMachine]:
    """Return the machine for one kind of store."""
    return type(f"Machine_{kind}", (CrashMachine,), {"kind": staticmethod(SUBJECTS[kind])})


@pytest.mark.timeout(0 if FULL else 600)
@pytest.mark.parametrize("kind", SUBJECTS)
def test_a_store_does_as_the_model(kind: str) -> None:
    run_state_machine_as_test(
        machine(kind),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=80 if FULL else 25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
