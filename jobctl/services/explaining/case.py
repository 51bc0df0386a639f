"""The job in question, and what is known of the daemon that runs it or should."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from jobctl.core.job import Options, Status, resolve
from jobctl.core.limits import Limit, Limits, by_name
from jobctl.core.store import AnyJob, Pulse, Store
from jobctl.core.wording import relative
from jobctl.errors import StoreError
from jobctl.services.cleaning import KEEP_ALL, Keep
from jobctl.services.health import PATIENCE
from jobctl.services.known import read_handlers
from jobctl.services.rates import read_rates
from jobctl.services.telling import Rules, Told, read_told, told_by

#: How many running jobs are looked at.
RUNNING = 10_000
#: How many jobs a sentence names.
NAMED = 5

#: Says a moment in a sentence.
Say = Callable[[datetime], str]


class Case:
    """One job at one moment. What is asked of store and folder is asked once."""

    def __init__(
        self,
        store: Store,
        job: AnyJob,
        now: datetime,
        configured: Rules | None = None,
        keep: Keep = KEEP_ALL,
        say: Say | None = None,
    ) -> None:
        self.store = store
        self.job = job
        self.now = now
        self.keep = keep
        self._configured = configured or Rules()
        self._said = say
        self.unseen: str | None = None  # why nobody can tell whether a daemon runs

    def say(self, moment: datetime) -> str:
        """Return a moment as the sentences have it."""
        if self._said is not None:
            return self._said(moment)
        utc = moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        return f"{utc} ({relative(moment, self.now)})"

    @cached_property
    def pulse(self) -> Pulse:
        """Which process is the daemon, and whether it moves."""
        try:
            return self.store.pulse(PATIENCE)
        except StoreError as err:
            self.unseen = str(err)
            return Pulse()

    @property
    def alive(self) -> bool:
        """Whether a daemon runs."""
        return self.pulse.pid is not None

    @cached_property
    def left(self) -> Told | None:
        """What the last daemon has told, be it there or not."""
        return read_told(self.store.files)

    @property
    def told(self) -> Told | None:
        """What the daemon that runs has told."""
        return told_by(self.left, self.pulse)

    @property
    def rules(self) -> Rules:
        """What holds in the daemon that runs, or would in one that was started now."""
        return self._configured if self.told is None else self.told.rules

    @cached_property
    def handlers(self) -> dict[str, Any] | None:
        """The handlers of the last daemon by name, None if they are not known."""
        return read_handlers(self.store.files)

    @cached_property
    def running(self) -> list[AnyJob]:
        """The jobs that run, the newest first."""
        return self.store.list(status=Status.RUNNING, limit=RUNNING)

    @cached_property
    def limits(self) -> Limits:
        """The limits, with what runs counted; without a daemon nothing does."""
        found = Limits(by_name(self.rules.limits))
        for job in self.running if self.alive else ():
            found.begin(job.name, job.concurrency_key, self.now.timestamp())
        found.next_at = read_rates(self.store.files)
        return found

    @property
    def limit(self) -> Limit:
        """The limits of the job's name."""
        return by_name(self.rules.limits).get(self.job.name, Limit())

    @property
    def options(self) -> Options:
        """What holds for a run of the job."""
        about = (self.handlers or {}).get(self.job.name)
        said = about.get("options") if isinstance(about, dict) else None
        layers = (self.rules.limits.get(self.job.name, {}), said or {})
        return resolve(self.job, *(_plain(one) for one in layers), default=self.rules.options)

    def named(self, jobs: Iterable[AnyJob]) -> str:
        """Return the jobs of a sentence, the first few of them."""
        found = list(jobs)
        texts = [f"{job.name} {job.id}" for job in found[:NAMED]]
        if len(found) > NAMED:
            texts.append(f"{len(found) - NAMED:,} more")
        return " and ".join([", ".join(texts[:-1]), texts[-1]] if texts[1:] else texts)


def ids(jobs: Iterable[AnyJob]) -> tuple[str, ...]:
    """Return the ids of the jobs that `named` names."""
    return tuple(job.id for job in jobs)[:NAMED]


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    # A backoff was written as JSON here, and nobody asks for it.
    return {key: options[key] for key in ("timeout", "max_retries") if key in options}
