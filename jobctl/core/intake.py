"""What is refused before anything is written.

Names and ids are checked here, options in options.py, data in data.py. Every message
names the field and says what to do.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NoReturn

from jobctl.core import options as opts
from jobctl.core.data import plain, show
from jobctl.core.filterfields import FILTER_FIELDS, WITH_PARTS
from jobctl.core.job import Job
from jobctl.errors import InvalidJob

#: The largest job data that is accepted by default, in bytes of JSON.
MAX_DATA = 1024 * 1024

#: A schedule's ticks become ids, NAME@2026-11-24T03:00:00Z, of at most 128 characters.
LONGEST_SCHEDULE = 100

#: What names and ids are made of.
NAME = "[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}"

_NAME = re.compile(NAME, re.ASCII)
# Compiled when an id has a colon: it is long, and an add seldom brings an id.
_FILTER = rf"(?:{'|'.join(FILTER_FIELDS)}|(?:{'|'.join(WITH_PARTS)})\.[^:]*):"
# Arguments that mean something else: GET /api/admin/jobs/stats, POST .../cleanup, .../bulk.
_RESERVED = ("stats", "cleanup", "bulk")
# 256 is a multiple of 32, so each byte gives one of the 32 letters with the same chance.
_LETTERS = b"abcdefghijklmnopqrstuvwxyz234567" * 8
_ID_LENGTH = 16


def new_job(
    name: str,
    data: Any,
    options: Mapping[str, Any],
    *,
    now: datetime,
    max_data: int = MAX_DATA,
    new_id: Callable[[], str] | None = None,
) -> Job[Any]:
    """Return the job that an add asks for, with a random id unless it brings its own.

    `data` is any JSON value, None is `{}`; `max_data` is in bytes; `new_id` gives random ids
    if the caller has some. Raises InvalidJob.
    """
    new_id = new_id or random_id
    check_name(name)
    checked = {} if data is None else plain(data, "data", max_data)
    if not options:
        return Job(id=new_id(), name=name, data=checked, created_at=now)
    given = opts.given(options)
    return Job(
        id=own_id(given) or new_id(),
        name=name,
        data=checked,
        created_at=now,
        priority=opts.priority(given.get("priority", 0)),
        max_retries=opts.max_retries(given.get("max_retries")),
        run_at=opts.run_at(given, now),
        timeout=opts.timeout(given.get("timeout")),
        backoff=opts.backoff(given.get("backoff")),
        tags=opts.tags(given.get("tags", ())),
        concurrency_key=opts.concurrency_key(given.get("concurrency_key")),
        after=after(given.get("after", ())),
    )


def random_id() -> str:
    """Return a new id: 16 lower-case base32 characters, 80 random bits."""
    return os.urandom(_ID_LENGTH).translate(_LETTERS).decode()


def random_ids(count: int) -> Iterator[str]:
    """Yield so many new ids, for which the system is asked once.

    A process that forks meanwhile must not go on with them: its child has the same.
    """
    text = os.urandom(_ID_LENGTH * count).translate(_LETTERS).decode()
    return (text[at : at + _ID_LENGTH] for at in range(0, len(text), _ID_LENGTH))


def check_name(name: object) -> None:
    """Raise InvalidJob unless `name` can be the name of a job."""
    if type(name) is not str or not _NAME.fullmatch(name):
        _refuse_name("name", name)


def check_schedule_name(name: object) -> None:
    """Raise InvalidJob unless `name` can be the name of a schedule."""
    check_name(name)
    if len(str(name)) > LONGEST_SCHEDULE:
        raise InvalidJob(
            f"the name has {len(str(name))} characters: use {LONGEST_SCHEDULE} at most"
        )


def check_id(job_id: object) -> None:
    """Raise InvalidJob unless `job_id` can be the id of a job."""
    if type(job_id) is not str or not _NAME.fullmatch(job_id):
        _refuse_name("id", job_id)
    if job_id in _RESERVED:
        raise InvalidJob(f"id {job_id!r} is the name of a command: choose another")
    if ":" in job_id and (match := re.match(_FILTER, job_id, re.ASCII)):
        raise InvalidJob(
            f"id {job_id!r} begins like the filter {match[0]!r}: put something before it"
        )


def _refuse_name(field: str, value: object) -> NoReturn:
    raise InvalidJob(
        f"{field} {show(value)} is refused: use 1 to 128 letters (a-z), digits and "
        ". _ : @ -, the first a letter or a digit"
    )


def after(values: Any) -> tuple[str, ...]:
    """Return the ids of `values`: one, or a sequence of them. Raises InvalidJob."""
    found = (values,) if isinstance(values, str) else values
    if isinstance(found, bytes) or not isinstance(found, Sequence):
        raise InvalidJob(f"after {show(values)} is refused: give the ids of jobs")
    if len(found) > opts.MAX_AFTER:
        raise InvalidJob(f"after has {len(found)} ids: at most {opts.MAX_AFTER} are allowed")
    for n, job_id in enumerate(found):
        if type(job_id) is not str or not _NAME.fullmatch(job_id):
            raise InvalidJob(f"after[{n}] {show(job_id)} is not the id of a job")
    return tuple(dict.fromkeys(found))


def own_id(options: Mapping[str, Any]) -> str | None:
    """Return the id that an add brings along, None for a random one."""
    first, second = options.get("id"), options.get("job_id")
    if first is not None and second is not None:
        raise InvalidJob("id and job_id are the same option: give one of them")
    job_id: str | None = second if first is None else first
    if job_id is not None:
        check_id(job_id)
    return job_id
