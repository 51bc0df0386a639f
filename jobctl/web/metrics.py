"""What is counted, in the text format of Prometheus."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import jobctl
from jobctl.services.health import due_since
from jobctl.web.backend import Backend

MEDIA_TYPE = "text/plain; version=0.0.4"

Labels = Mapping[str, str]


def exposition(backend: Backend) -> str:
    """Return all figures. Raises StoreError."""
    counts = backend.queue.stats().as_dict()
    del counts["total"]
    now = backend.clock.now()
    oldest = backend.store.oldest_due(now)
    waited = 0.0 if oldest is None else max(0.0, (now - due_since(oldest)).total_seconds())
    lines = [
        *family("jobctl_info", "gauge", "The version.", [({"version": jobctl.__version__}, 1)]),
        *family(
            "jobctl_jobs",
            "gauge",
            "Jobs by status.",
            [({"status": status}, count) for status, count in counts.items()],
        ),
        *family(
            "jobctl_oldest_due_seconds",
            "gauge",
            "How long the job that has been due for longest has been.",
            [({}, waited)],
        ),
    ]
    return "\n".join(lines) + "\n"


def family(
    name: str, kind: str, words: str, samples: Iterable[tuple[Labels, float]]
) -> list[str]:
    """Return the lines of one metric."""
    lines = [f"# HELP {name} {words}", f"# TYPE {name} {kind}"]
    return lines + [sample(name, labels, value) for labels, value in samples]


def sample(name: str, labels: Labels, value: float) -> str:
    """Return one line: `jobctl_jobs{status="failed"} 3`."""
    said = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    return f"{name}{{{said}}} {value:g}" if said else f"{name} {value:g}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
