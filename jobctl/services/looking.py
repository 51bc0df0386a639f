"""Looking at jobs: one, those that a filter chooses, how many they are, and how they end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jobctl.clock import Clock
from jobctl.core.data import show
from jobctl.core.store import AnyJob, Page, Stats, Store
from jobctl.errors import InvalidJob, NotFound
from jobctl.services import waiting
from jobctl.services.beside import Beside
from jobctl.services.waiting import Waited, wait_for

if TYPE_CHECKING:
    from jobctl.core.filters import Filter
    from jobctl.core.job import Status
    from jobctl.services.growth import Growth
    from jobctl.services.overview import Watch

#: How many candidates a message shows.
SHOWN = 10
#: How many jobs are read at a time where all are wanted.
STEP = 1000
ALL = 2**63

# Inside the class, `list` is the method.
_Jobs = list[AnyJob]


class Stream:
    """Jobs that are read as they are asked for, once. At the end `more` says if it is cut."""

    def __init__(
        self, queue: Looking, wanted: Filter, limit: int, offset: int, newest: bool
    ) -> None:
        self._queue = queue
        self._newest = newest
        self._wanted = wanted
        self._left = limit
        self._offset = offset
        self.more = True

    def __iter__(self) -> Iterator[AnyJob]:
        after = None
        while self.more and self._left > 0:
            limit = min(self._left, STEP)
            page = self._queue.page(
                self._wanted,
                newest=self._newest,
                limit=limit,
                offset=self._offset,
                after=after,
            )
            yield from page.jobs
            after, self._offset = page.after, 0
            self._left -= len(page.jobs)
            self.more = after is not None


class Looking:
    """All that can be asked about jobs. A `filter` is one, or the text of one.

    Times in such a text need a zone. All methods may raise StoreError, and those that take a
    filter InvalidFilter.
    """

    def __init__(self, store: Store, clock: Clock, nap: Callable[[float], None]) -> None:
        self._store = store
        self._beside = Beside(store)
        self._clock = clock
        self._nap = nap

    def get(self, job_id: str) -> AnyJob | None:
        """Return the job with exactly this id, or None."""
        job = self._store.get(job_id)
        return None if job is None else self._beside.shown(job)

    def resolve(self, prefix: str) -> AnyJob:
        """Return the job whose id is `prefix`, or else the only one that begins with it.

        Raises NotFound, or InvalidJob naming the candidates.
        """
        if not prefix:
            raise InvalidJob("the id is empty: give an id or the beginning of one")
        job = self.get(prefix)
        if job is not None:
            return job
        found = self._store.find(prefix, SHOWN + 1)
        if len(found) > 1:
            more = ", ..." if len(found) > SHOWN else ""
            raise InvalidJob(
                f"{show(prefix)} is the beginning of several ids: "
                f"{', '.join(found[:SHOWN])}{more}. Give more of it"
            )
        if not found:
            from jobctl.services.candidates import near_id

            raise missing(prefix, near_id(self._store, prefix))
        return required(self.get(found[0]), prefix)

    def list(
        self,
        *,
        status: Status | str | None = None,
        name: str | None = None,
        filter: Filter | str | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> _Jobs:
        """Return jobs, the newest first. Raises InvalidJob for a value that cannot be.

        A status and a name may be several, with commas; in a name `*` stands for any text.
        """
        return self.page(chosen(filter, status, name), limit=limit, offset=offset).jobs

    def page(
        self,
        filter: Filter | str | None = None,
        *,
        newest: bool = True,
        limit: int = 50,
        offset: int = 0,
        after: int | None = None,
        bounded: bool = False,
    ) -> Page:
        """Return jobs, the newest first unless not `newest`, and where the next page begins.

        `after` is that of the page before; it costs nothing however deep it leads, `offset`
        a little for each job that it skips. A `bounded` page may be short, and say with
        `after` where to look on, rather than look at all jobs for few that pass. Raises
        InvalidJob.
        """
        for field, value in (("limit", limit), ("offset", offset)):
            if type(value) is not int or value < 0:
                raise InvalidJob(f"{field} {show(value)} is refused: use a whole number >= 0")
        found = self._store.select(
            parsed(filter),
            self._clock.now(),
            newest=newest,
            limit=limit,
            offset=offset,
            after=after,
            bounded=bounded,
        )
        return Page([self._beside.shown(job) for job in found.jobs], found.after)

    def stream(
        self,
        filter: Filter | str | None = None,
        *,
        limit: int = ALL,
        offset: int = 0,
        newest: bool = True,
    ) -> Stream:
        """Return up to `limit` jobs, the newest or the oldest first, never holding all."""
        return Stream(self, parsed(filter), limit, offset, newest)

    def stats(self, filter: Filter | str | None = None) -> Stats:
        """Return how many jobs have each status, of all or of those that a filter chooses."""
        if filter is None:
            return self._store.stats()
        return self._store.tally(parsed(filter), self._clock.now())

    def wait(
        self,
        job_ids: Sequence[str],
        timeout: float | None = None,
        watch: waiting.Watch = lambda jobs: None,
    ) -> Waited:
        """Block until all of the jobs have ended, at most `timeout` seconds.

        `watch` is shown the jobs meanwhile. Raises NotFound at once if one is unknown, and
        later if one is deleted.
        """
        return wait_for(self._store, self._clock, self._nap, job_ids, timeout, watch)

    def shown(self, job: AnyJob) -> AnyJob:
        """Return a job with the progress that it has now."""
        return self._beside.shown(job)

    def overview(self) -> Watch:
        """Return what looks at the whole store, again and again."""
        from jobctl.services.overview import Watch

        return Watch(self._store, self._clock, self._beside.shown)

    def log_path(self, job_id: str) -> Path:
        """Return where the log of a job is. It is there if its handler has printed anything."""
        return self._beside.log_path(job_id)

    def log(self, job_id: str, *, once: bool = False) -> Growth:
        """Return the log of a job, to be read while it grows; `once` if it is read once."""
        return self._beside.log(job_id, once=once)

    def follow(
        self, job_id: str, growth: Growth, timeout: float | None = None
    ) -> Iterator[AnyJob | bytes]:
        """Yield a job whenever it has changed, and what comes to its log, until it has ended.

        `growth` is its log; see `services.following.follow`. Raises NotFound.
        """
        from jobctl.services.following import follow

        return follow(self._store, self._clock, self._nap, growth, job_id, timeout)

    def has_daemon(self) -> bool:
        """Return whether a daemon has the seat of this store."""
        return self._store.pulse(0).pid is not None


def parsed(filter: Filter | str | None) -> Filter:
    """Return what was given as a filter; None is one that every job passes."""
    from jobctl.core.filters import EVERY, Filter

    if isinstance(filter, Filter):
        return filter
    return EVERY if filter is None else Filter.parse(filter)


def chosen(
    filter: Filter | str | None, status: Status | str | None, name: str | None
) -> Filter:
    """Return a filter with what is said beside it: statuses and names, with commas.

    Raises InvalidFilter, or InvalidJob for an unknown status.
    """
    from jobctl.core import filters

    wanted = parsed(filter)
    if status is not None:
        wanted &= filters.with_status(status)
    if name is not None:
        wanted &= filters.with_name(name)
    return wanted


def required(job: AnyJob | None, job_id: str) -> AnyJob:
    """Return the job, or raise NotFound for its id."""
    if job is None:
        raise missing(job_id)
    return job


def missing(job_id: str, near: str | None = None) -> NotFound:
    """Return the error for an id that no job has; `near` is one that was perhaps meant."""
    hint = f"did you mean {near}?" if near else "`jobctl list` shows them"
    return NotFound(f"there is no job {show(job_id)[1:-1]}: {hint}")
