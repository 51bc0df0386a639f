"""Jobs by what they have in common."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from jobctl.core.data import show
from jobctl.core.job import Status
from jobctl.errors import InvalidJob
from jobctl.services.queue import QueueService, parse_status

#: Jobs that are read at a time.
STEP = 500


class Selection(msgspec.Struct, frozen=True):
    """Which jobs: of these ids, of this status, of this name; None leaves it open."""

    ids: tuple[str, ...] | None = None
    status: Status | None = None
    name: str | None = None


def parse(text: str) -> Selection:
    """Return what a filter selects: `status:`, `name:` and `id:`. Raises InvalidJob."""
    found: dict[str, Any] = {}
    for term in text.split():
        field, colon, value = term.partition(":")
        if not colon or not value or field in found:
            raise InvalidJob(f"filter term {show(term)} is refused: write status:failed")
        if field == "status":
            found["status"] = parse_status(value)
        elif field == "name":
            found["name"] = value
        elif field == "id":
            found["ids"] = tuple(value.split(","))
        else:
            raise InvalidJob(f"filter field {show(field)} is unknown: use status, name or id")
    if not found:
        raise InvalidJob("the filter is empty: write status:failed or name:NAME")
    return Selection(**found)


def select(queue: QueueService, selection: Selection) -> Iterator[Any]:
    """Yield the jobs that are selected now."""
    if selection.ids is not None:
        for job_id in dict.fromkeys(selection.ids):
            job = queue.get(job_id)
            if (
                job is not None
                and selection.status in (None, job.status)
                and selection.name in (None, job.name)
            ):
                yield job
        return
    # The ids first: what is done to the jobs moves them in the list.
    found: list[Any] = []
    while page := queue.list(
        status=selection.status, name=selection.name, limit=STEP, offset=len(found)
    ):
        found += page
    yield from found
