"""What is counted, in the text format of Prometheus."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from jobctl import __version__
from jobctl.services.figures import BOUNDS, Tally
from jobctl.services.health import due_since
from jobctl.web.backend import Backend

MEDIA_TYPE = "text/plain; version=0.0.4"

Labels = Mapping[str, str]


def exposition(backend: Backend) -> str:
    """Return all figures. Raises StoreError."""
    return "\n".join([*_standing(backend), *_counted(backend)]) + "\n"


def _standing(backend: Backend) -> Iterator[str]:
    """Yield how things stand now."""
    yield from family("jobctl_info", "gauge", "The version.", [({"version": __version__}, 1)])
    counts = backend.queue.stats().as_dict()
    del counts["total"]
    by_status = [({"status": status}, count) for status, count in counts.items()]
    yield from family("jobctl_jobs", "gauge", "Jobs by status.", by_status)
    now = backend.clock.now()
    oldest = backend.store.oldest_due(now)
    waited = 0.0 if oldest is None else max(0.0, (now - due_since(oldest)).total_seconds())
    what = "How long the job that has been due for longest has been due."
    yield from family("jobctl_oldest_due_seconds", "gauge", what, [({}, waited)])
    # A daemon that does not answer at once is there all the same.
    up = backend.store.pulse(0.0).pid is not None
    yield from family("jobctl_daemon_up", "gauge", "Whether there is a daemon.", [({}, up)])
    ran = [
        ({"schedule": one.name}, one.last_run.timestamp())
        for one in backend.scheduler.schedules()
        if one.last_run is not None
    ]
    what = "When a schedule made its last job, in seconds since 1970."
    yield from family("jobctl_schedule_last_run_timestamp_seconds", "gauge", what, ran)


def _counted(backend: Backend) -> Iterator[str]:
    """Yield what daemons have counted since the oldest file that they left."""
    tallies = sorted(backend.figures.totals().items())
    ended = [
        ({"name": name, "result": result}, getattr(tally, result))
        for name, tally in tallies
        for result in ("completed", "failed", "retried", "cancelled")
    ]
    what = "Attempts by how they ended: failed means that the job is dead."
    yield from family("jobctl_attempts_total", "counter", what, ended)
    what = "How long attempts took that completed."
    yield from family("jobctl_job_duration_seconds", "histogram", what, [])
    for name, tally in tallies:
        yield from _histogram("jobctl_job_duration_seconds", {"name": name}, tally)


def _histogram(name: str, labels: Labels, tally: Tally) -> Iterator[str]:
    passed = 0
    for place, bound in enumerate(BOUNDS):
        passed += tally.took.get(place, 0)
        yield sample(f"{name}_bucket", {**labels, "le": f"{bound:g}"}, passed)
    count = sum(tally.took.values())
    yield sample(f"{name}_bucket", {**labels, "le": "+Inf"}, count)
    yield sample(f"{name}_sum", labels, tally.seconds)
    yield sample(f"{name}_count", labels, count)


def family(
    name: str, kind: str, words: str, samples: Iterable[tuple[Labels, float]]
) -> list[str]:
    """Return the lines of one metric."""
    lines = [f"# HELP {name} {words}", f"# TYPE {name} {kind}"]
    return lines + [sample(name, labels, value) for labels, value in samples]


def sample(name: str, labels: Labels, value: float) -> str:
    """Return one line: `jobctl_jobs{status="failed"} 3`."""
    said = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    number = repr(float(value)).removesuffix(".0")
    return f"{name}{{{said}}} {number}" if said else f"{name} {number}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
