"""How the store is doing, laid out: a view for a terminal, a line for a pipe, an object."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from jobctl.cli import render
from jobctl.cli.words import local, number, progress
from jobctl.core.units import human_duration
from jobctl.core.wording import error_line, relative
from jobctl.services.health import due_since

if TYPE_CHECKING:
    from jobctl.core.job import AnyJob
    from jobctl.services.overview import Overview, Rates

_LABEL = 9


def view(now: Overview, width: int, height: int) -> list[str]:
    """Return the lines of a view that fits a terminal, as far as ids allow."""
    counts = now.counts.as_dict()
    lines = [
        f"{'at':{_LABEL}}{local(now.at)}",
        f"{'daemon':{_LABEL}}{_daemon(now)}",
        *(f"{'paused':{_LABEL}}{_paused(now)}" for _ in now.paused[:1]),
        *(f"{'oldest':{_LABEL}}{_oldest(now.oldest, now.at)}" for _ in [0] if now.oldest),
        "",
        *render.grid([*counts], [[number(n) for n in counts.values()]], width, right=True),
        "",
        *render.grid(
            ["per minute", "added", "completed", "failed"],
            [_rates("last", now.last), _rates("since", now.since)],
            width,
            right=True,
        ),
    ]
    below = _failed(now, width)
    room = max(1, height - len(lines) - len(below) - 4)  # a blank, a header, a rest, the cursor
    return [*lines, *_running(now, width, room), *below]


def _running(now: Overview, width: int, room: int) -> list[str]:
    if not now.running:
        return []
    rows = [
        (
            job.id,
            job.name,
            _since(job.started_at, now.at),
            str(now.workers.get(job.id, "")),
            "cancelling" if job.cancelling else progress(job.progress),
        )
        for job in now.running[:room]
    ]
    headers = ("RUNNING", "NAME", "FOR", "WORKER", "PROGRESS")
    lines = ["", *render.grid(headers, rows, width, shrink=((1, 16), (4, 16), (1, 8), (4, 8)))]
    more = now.counts.running - len(rows)
    return [*lines, f"and {more:,} more"] if more > 0 else lines


def _failed(now: Overview, width: int) -> list[str]:
    if not now.failed:
        return []
    rows = [
        (
            job.id,
            job.name,
            relative(job.finished_at, now.at) if job.finished_at else "",
            error_line(job.error),
        )
        for job in now.failed
    ]
    headers = ("FAILED", "NAME", "WHEN", "ERROR")
    return ["", *render.grid(headers, rows, width, shrink=((1, 16), (3, 20), (1, 8), (3, 8)))]


def _rates(label: str, rates: Rates | None) -> list[str]:
    if rates is None:
        return [label, "-", "-", "-"]
    label = f"{label} {human_duration(float(round(rates.seconds)))}"
    return [label, *(_rate(rates, name) for name in ("added", "completed", "failed"))]


def _rate(rates: Rates, name: str) -> str:
    value = rates.per_minute(getattr(rates, name))
    return number(round(value)) if value >= 10 or not value else f"{value:.1f}"


def _daemon(now: Overview) -> str:
    if now.daemon.pid is None:
        return "none runs: start `jobctl run`"
    who = now.daemon.who
    if now.state is not None and now.state != "ready":
        return f"{who}, {now.state}"
    return who if now.daemon.moving else f"{who}, which does not answer"


def _paused(now: Overview) -> str:
    return ", ".join(pause.name or "all jobs" for pause in now.paused)


def _oldest(job: AnyJob, now: datetime) -> str:
    return f"{job.name} {job.id} is due for {_since(due_since(job), now)}"


def _since(moment: datetime | None, now: datetime) -> str:
    seconds = 0.0 if moment is None else max(0.0, (now - moment).total_seconds())
    return human_duration(float(round(seconds)))


def line(now: Overview) -> str:
    """Return one line: the time, the counts, the rates since the last look, the daemon."""
    parts = [local(now.at, sep="T")]
    parts += [f"{name} {count}" for name, count in now.counts.as_dict().items()]
    for name in ("added", "completed", "failed"):
        parts.append(f"{name}/min {_rate(now.last, name) if now.last else '-'}")
    parts.append(f"daemon {'none' if now.daemon.pid is None else now.daemon.pid}")
    return "  ".join(parts)


def record(now: Overview) -> dict[str, Any]:
    """Return it as JSON has it: the six counts, and what else is known."""
    return {
        "at": now.at,
        **now.counts.as_dict(),
        "last": _plain(now.last),
        "since": _plain(now.since),
        "jobs": [
            {
                "id": job.id,
                "name": job.name,
                "started_at": job.started_at,
                "progress": job.progress,
                "worker": now.workers.get(job.id),
            }
            for job in now.running
        ],
        "last_failed": [
            {
                "id": job.id,
                "name": job.name,
                "finished_at": job.finished_at,
                "error": job.error and {"type": job.error.type, "message": job.error.message},
            }
            for job in now.failed
        ],
        "oldest_due": now.oldest
        and {"id": now.oldest.id, "name": now.oldest.name, "due_since": due_since(now.oldest)},
        "paused": [{"name": pause.name, "since": pause.since} for pause in now.paused],
        "daemon": {"pid": now.daemon.pid, "moving": now.daemon.moving, "state": now.state},
    }


def _plain(rates: Rates | None) -> dict[str, Any] | None:
    if rates is None:
        return None
    names: Sequence[str] = ("added", "completed", "failed")
    counts = {name: getattr(rates, name) for name in names}
    per_minute = {name: round(rates.per_minute(count), 3) for name, count in counts.items()}
    return {"seconds": round(rates.seconds, 3), **counts, "per_minute": per_minute}
