"""What `wait` and `add --wait` have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobctl.core.units import seconds
from jobctl.errors import InvalidJob

if TYPE_CHECKING:
    from jobctl.services.waiting import Waited

NOT_COMPLETED = 1
TIMED_OUT = 124


def limit(value: str | None, option: str) -> float | None:
    """Return a time-out in seconds. Raises InvalidJob naming the option."""
    try:
        return None if value is None else seconds(value)
    except InvalidJob as err:
        raise InvalidJob(f"{option}: {err}") from None


def exit_code(waited: Waited) -> int:
    """Return 0 if all jobs completed, 124 if some have not ended, 1 otherwise; say which."""
    from jobctl.cli import render

    if waited.left:
        render.note(f"timed out; not finished: {', '.join(waited.left)}")
        return TIMED_OUT
    return 0 if waited.completed else NOT_COMPLETED
