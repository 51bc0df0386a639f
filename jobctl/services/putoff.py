"""Retries that a clock which ran ahead has put off for too long."""

from __future__ import annotations

from datetime import datetime, timedelta

from jobctl.core import job as transitions
from jobctl.core.filters import Filter
from jobctl.core.filterterms import Span, Term
from jobctl.core.job import Status
from jobctl.core.store import Store
from jobctl.errors import StaleJob

#: Jobs that one step looks at and changes at most.
STEP = 200


def bring_forward(
    store: Store, now: datetime, tolerance: float, after: int | None = None
) -> tuple[int, int | None]:
    """Let retries and snoozes wait from `now` that wait from a time yet to come.

    They are those of an attempt that ended more than `tolerance` seconds from now. This is one
    step; returns how many jobs were changed, and the `after` of the next step, None if there
    is none. A job delayed by its add keeps its time: a moment may have been meant.

    Raises StoreError.
    """
    latest = now + timedelta(seconds=tolerance)
    ahead = Term("started", ">", (Span(latest, latest),))
    wanted = Filter.having(Status.PENDING) & Filter((ahead,))
    page = store.select(wanted, now, newest=False, limit=STEP, after=after, bounded=True)
    changed = 0
    if page.jobs:
        with store.transaction() as tx:
            for job in page.jobs:
                moved = transitions.bring_forward(job, now, latest)
                if moved is not job:
                    try:
                        tx.save(moved)
                        changed += 1
                    except StaleJob:
                        pass  # somebody was at it meanwhile: it has another time now
    return changed, page.after
