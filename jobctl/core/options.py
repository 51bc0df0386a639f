"""The options of an add: what each may be, and what it becomes in the record.

Each function takes what was given and returns the record's value; all raise InvalidJob,
naming the field.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypedDict, get_args

from jobctl.core.data import show
from jobctl.core.retry import RetryPolicy
from jobctl.core.text import clean, meant
from jobctl.core.units import seconds
from jobctl.errors import InvalidJob

MAX_RETRIES = 1_000_000
MAX_TAGS = 50
MAX_LABEL = 128
MAX_DELAYS = 100
MAX_AFTER = 1000

IfExists = Literal["keep", "error", "replace"]


class JobOptions(TypedDict, total=False):
    """The options of an add. Durations are seconds, `90s`-like text or a timedelta.

    `after` is the id of a job, or ids, that must have completed before it runs;
    `scheduled_for` is run_at and `job_id` is id, under the names that others use.
    """

    priority: int
    max_retries: int
    delay: float | str | timedelta
    run_at: datetime | str
    scheduled_for: datetime | str
    id: str
    job_id: str
    timeout: float | str | timedelta
    backoff: RetryPolicy | Mapping[str, Any] | Sequence[float | str | timedelta]
    tags: Sequence[str]
    concurrency_key: str
    after: str | Sequence[str]
    if_exists: IfExists


#: The names of the options.
OPTIONS = tuple(JobOptions.__annotations__)


def check_if_exists(value: object) -> None:
    """Raise InvalidJob unless `value` says what to do about a taken id."""
    if value not in get_args(IfExists):
        raise InvalidJob(f"if_exists {show(value)} is refused: use keep, error or replace")


def parse_time(value: object, *, what: str = "time") -> datetime:
    """Return a moment in UTC, from a datetime or ISO 8601 text.

    Raises InvalidJob for a time without a zone, as for anything that is no time; `what`
    begins the message.
    """
    moment = value
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value.strip())
        except ValueError:
            moment = None
    if not isinstance(moment, datetime):
        raise InvalidJob(
            f"{what} {show(value)} is not a time: write it as 2026-12-31T23:59:59Z"
        )
    if moment.utcoffset() is None:
        raise InvalidJob(
            f"{what} {show(str(value))} has no time zone: add Z or an offset such as "
            "+02:00 (in Python: tzinfo)"
        )
    try:
        return moment.astimezone(UTC)
    except (OverflowError, ValueError):
        raise InvalidJob(f"{what} {show(str(value))} is beyond the calendar") from None


def saying(options: Mapping[str, Any], known: Sequence[str]) -> dict[str, Any]:
    """Return the options that say something, refusing those that are not `known`."""
    for key in options:
        if key not in known:
            hint = meant(str(key), known, f"there are {', '.join(known)}")
            raise InvalidJob(f"option {show(key)} is unknown: {hint}")
    return {key: value for key, value in options.items() if value is not None}


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of an add that say something, refusing unknown ones."""
    chosen = saying(options, OPTIONS)
    if "if_exists" in chosen:
        check_if_exists(chosen["if_exists"])
    return chosen


def priority(value: Any) -> int:
    if not _is_int(value) or not -(2**31) <= value < 2**31:
        raise InvalidJob(
            f"priority {show(value)} is refused: use a whole number from -2147483648 to "
            "2147483647 (higher runs first)"
        )
    return int(value)


def max_retries(value: Any) -> int | None:
    if value is None:
        return None
    if not _is_int(value) or not 0 <= value <= MAX_RETRIES:
        raise InvalidJob(
            f"max_retries {show(value)} is refused: use a whole number from 0 to {MAX_RETRIES}"
        )
    return int(value)


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def run_at(given: Mapping[str, Any], now: datetime) -> datetime | None:
    names = [name for name in ("delay", "run_at", "scheduled_for") if name in given]
    if not names:
        return None
    if len(names) > 1:
        raise InvalidJob(f"{' and '.join(names)} say the same in two ways: give one of them")
    [name] = names
    if name == "delay":
        wait = timedelta(seconds=duration("delay", given["delay"]))
        try:
            moment = now + wait
        except OverflowError:
            raise InvalidJob("delay ends beyond the calendar: shorten it") from None
    else:
        moment = parse_time(given[name], what=name)
    return moment if moment > now else None


def duration(field: str, value: object) -> float:
    """Return a duration in seconds."""
    try:
        return seconds(value)
    except (InvalidJob, OverflowError, ValueError):
        raise InvalidJob(
            f"{field} {show(value)} is refused: write a duration such as 90s, 5m, 2h30m or "
            "7d (at most 100 years)"
        ) from None


def timeout(value: Any) -> float | None:
    if value is None:
        return None
    length = duration("timeout", value)
    if length <= 0:
        raise InvalidJob("timeout 0 is refused: give more, or leave it out for the default")
    return length


def backoff(value: Any) -> RetryPolicy | None:
    if value is None:
        return None
    if isinstance(value, RetryPolicy):
        value = {name: getattr(value, name) for name in RetryPolicy.__struct_fields__}
    if isinstance(value, Mapping):
        return _policy(value)
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return RetryPolicy(delays=_delays(value))
    raise InvalidJob(
        f"backoff {show(value)} is refused: give base, cap and jitter, or a list of delays"
    )


def _policy(value: Mapping[Any, Any]) -> RetryPolicy:
    parts: dict[str, Any] = {}
    for key, part in value.items():
        if key in ("base", "cap"):
            parts[key] = duration(f"backoff.{key}", part)
        elif key == "jitter":
            if (
                isinstance(part, bool)
                or not isinstance(part, (int, float))
                or not 0 <= part <= 1
            ):
                raise InvalidJob(
                    f"backoff.jitter {show(part)} is refused: use a number from 0 to 1"
                )
            parts[key] = float(part)
        elif key == "delays" and isinstance(part, Sequence):
            parts[key] = _delays(part) if part else ()
        else:
            raise InvalidJob(f"backoff has no {show(key)}: give base, cap and jitter")
    return RetryPolicy(**parts)


def _delays(values: Sequence[Any]) -> tuple[float, ...]:
    if not 1 <= len(values) <= MAX_DELAYS:
        raise InvalidJob(f"backoff is a list of 1 to {MAX_DELAYS} delays, not {len(values)}")
    return tuple(duration(f"backoff[{n}]", value) for n, value in enumerate(values))


def tags(values: Any) -> tuple[str, ...]:
    if isinstance(values, (str, bytes)) or not isinstance(values, (Sequence, set, frozenset)):
        raise InvalidJob(f"tags {show(values)} is refused: give a list of short texts")
    if isinstance(values, (set, frozenset)):
        values = sorted(values, key=str)
    if len(values) > MAX_TAGS:
        raise InvalidJob(f"tags has {len(values)} entries: at most {MAX_TAGS} are allowed")
    return tuple(dict.fromkeys(_label(f"tags[{n}]", tag) for n, tag in enumerate(values)))


def concurrency_key(value: Any) -> str | None:
    return None if value is None else _label("concurrency_key", value)


def _label(field: str, value: Any) -> str:
    fits = isinstance(value, str) and value.strip() and len(value) <= MAX_LABEL
    if not fits or clean(value) != value:
        raise InvalidJob(
            f"{field} {show(value)} is refused: use 1 to {MAX_LABEL} characters, none of them "
            "a control character"
        )
    return str(value)
