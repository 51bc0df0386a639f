"""What the API takes and gives, as types: requests are checked by them, and documented."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

import msgspec
from msgspec import Meta

from jobctl.core.intake import NAME
from jobctl.core.job import RECORD_FIELDS, Job
from jobctl.core.options import MAX_RETRIES, IfExists
from jobctl.core.schedule import Planned, Schedule
from jobctl.core.standing import Tick

if TYPE_CHECKING:
    JobRecord = dict[str, Any]
    ScheduleRecord = dict[str, Any]
else:
    _hints = get_type_hints(Job)
    _open = ("data", "progress", "result")
    #: A job's public record, as it goes out.
    JobRecord = msgspec.defstruct(
        "Job", [(name, Any if name in _open else _hints[name]) for name in RECORD_FIELDS]
    )
    ScheduleRecord = Schedule

#: The most jobs of one page.
PAGE = 1000

_NAME = {"pattern": f"^{NAME}$"}
_TIME = {"format": "date-time"}

StatusNames = Annotated[
    str, Meta(description="A status, or several with commas.", examples=["failed"])
]
Name = Annotated[str, Meta(extra_json_schema=_NAME)]
Duration = Annotated[
    float | str, Meta(description="Seconds, or 90s, 5m, 2h30m, 7d.", examples=["5m", 30])
]
Time = Annotated[str, Meta(description="ISO 8601 with a zone.", extra_json_schema=_TIME)]
FilterText = Annotated[
    str,
    Meta(
        description="Terms of the filter language, joined by spaces.",
        examples=["status:failed name:send-email"],
    ),
]


class Page(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Which jobs, and how many of them, the newest first."""

    status: StatusNames | None = None
    name: (
        Annotated[str, Meta(description="Jobs of this name; * stands for any text.")] | None
    ) = None
    filter: FilterText | None = None
    limit: Annotated[int, Meta(ge=1, le=PAGE)] = 50
    offset: Annotated[int, Meta(ge=0, le=2**31, description="Leave out so many.")] = 0
    cursor: (
        Annotated[
            str, Meta(description="`next` of the page before: beyond it, not from the top.")
        ]
        | None
    ) = None


class NewJob(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A job to add: the options are those of `jobctl add`."""

    name: Name | None = None
    data: Any = None
    priority: (
        Annotated[int, Meta(ge=-(2**31), lt=2**31, description="Higher runs first.")] | None
    ) = None
    max_retries: Annotated[int, Meta(ge=0, le=MAX_RETRIES)] | None = None
    delay: Duration | None = None
    run_at: Time | None = None
    scheduled_for: Annotated[Time, Meta(description="The same as run_at.")] | None = None
    id: Annotated[str, Meta(extra_json_schema=_NAME)] | None = None
    job_id: (
        Annotated[str, Meta(description="The same as id.", extra_json_schema=_NAME)] | None
    ) = None
    if_exists: IfExists | None = None
    timeout: Duration | None = None
    backoff: Annotated[Any, Meta(description="base, cap and jitter, or a list of delays.")] = (
        None
    )
    tags: list[str] | None = None
    concurrency_key: str | None = None
    after: (
        Annotated[list[str] | str, Meta(description="Jobs that must have completed before.")]
        | None
    ) = None
    shell: (
        Annotated[
            list[str], Meta(description="A command to run, if [dashboard] allow_shell is on.")
        ]
        | None
    ) = None
    cwd: Annotated[str, Meta(description="The folder in which the command runs.")] | None = None
    env: dict[str, str] | None = None


class Cleanup(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Which finished jobs go; without either, [retention] decides."""

    older_than: Duration | None = None
    before: Time | None = None
    dry_run: bool = False


class Bulk(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What to do with all jobs that a filter matches."""

    action: Literal["retry", "cancel", "delete"]
    filter: FilterText
    dry_run: bool = False


class Jobs(msgspec.Struct):
    """A page of jobs; `next` is the cursor of the one after it, null at the end only."""

    jobs: list[JobRecord]
    limit: int
    offset: int
    next: str | None


class Matched(msgspec.Struct):
    """How many jobs it would be, and the first of them."""

    matched: int
    jobs: list[JobRecord]


class Done(msgspec.Struct):
    """How many jobs matched, how many were changed, and how many were left alone."""

    matched: int
    changed: int
    skipped: int


class Deleted(msgspec.Struct):
    """How many jobs went."""

    deleted: int


class Counts(msgspec.Struct):
    """How many jobs have each status."""

    pending: int
    running: int
    completed: int
    failed: int
    cancelled: int
    total: int


class Triggered(msgspec.Struct):
    """The job that was made."""

    job_id: str


class Schedules(msgspec.Struct):
    """All schedules."""

    schedules: list[ScheduleRecord]


class Ticks(msgspec.Struct):
    """What became of the last ticks, the newest first."""

    ticks: list[Tick]


class Plan(msgspec.Struct):
    """The ticks to come."""

    ticks: list[Planned]
