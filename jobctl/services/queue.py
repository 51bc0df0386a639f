"""The queue: add, retry, cancel, delete, clean up, pause; looking.py has the rest."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from jobctl.clock import Clock
from jobctl.core.intake import MAX_DATA, new_job, own_id, random_ids
from jobctl.core.options import parse_time
from jobctl.core.store import AnyJob, Store
from jobctl.errors import InvalidJob
from jobctl.services import pausing
from jobctl.services.adding import (
    NO_OPTIONS,
    Added,
    AddedMany,
    Spec,
    Wanted,
    comes_after,
    parts,
    put,
    put_all,
    with_shell,
)
from jobctl.services.cleaning import KEEP_ALL, Cleaning, Keep
from jobctl.services.looking import Looking, parsed, required
from jobctl.services.pausing import Pause
from jobctl.services.verbs import CANCEL, DELETE, RETRY, Verb

if TYPE_CHECKING:
    from jobctl.core.filters import Filter
    from jobctl.services.bulk import Bulk
    from jobctl.services.explaining.answer import Explanation
    from jobctl.services.explaining.case import Say
    from jobctl.services.telling import Rules

# Inside the class, `list` is the method.
_Jobs = list[AnyJob]
_Pauses = list[Pause]
#: So many jobs of one call get their random ids together.
_SOME = 1000


class QueueService(Looking):
    """All that can be done to jobs from outside.

    `max_data` is in bytes, `nap` waits for some seconds, `keep` says what `cleanup` leaves,
    `rules` what holds in a daemon that is started now.
    All methods may raise StoreError.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        max_data: int = MAX_DATA,
        keep: Keep = KEEP_ALL,
        rules: Callable[[], Rules] | None = None,
        nap: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(store, clock, nap)
        self._max_data = max_data
        self._cleaning = Cleaning(store, clock, self._beside, keep)
        self._rules = rules

    def add(
        self, name: str, data: Any = None, options: Mapping[str, Any] = NO_OPTIONS
    ) -> Added:
        """Add a job; `options` are those of JobOptions.

        Raises InvalidJob; Duplicate with if_exists `error`, and WrongStatus with `replace`
        if the one that is there is running.
        """
        return self._put(self._wanted(name, data, options, self._clock.now()))

    def _put(self, wanted: Wanted) -> Added:
        with self._store.transaction() as tx:
            added = put(tx, wanted)
            if wanted.named:
                self._beside.forget_replaced([wanted])
        self._store.wake()
        return added

    def add_shell(
        self,
        argv: Sequence[str],
        options: Mapping[str, Any] = NO_OPTIONS,
        *,
        name: str | None = None,
        cwd: str,
        env: Mapping[str, str],
    ) -> Added:
        """Add a job that runs a command; `env` is all of its environment.

        Without a name it gets the command's. Raises as `add` does.
        """
        from jobctl.core.shell import default_name, shell_of

        shell = shell_of(argv, cwd, env, max_data=self._max_data)
        wanted = self._wanted(name or default_name(argv), None, options, self._clock.now())
        return self._put(with_shell(wanted, shell))

    def add_many(self, specs: Iterable[Spec], *, commands: bool = False) -> list[str]:
        """Add jobs with one durable commit, all or none, and return their ids in order.

        Everything is checked before anything is written. With `commands` one may be a shell
        job, as its record has it. Raises as `add` does.
        """
        return self.add_all(specs, commands=commands).ids

    def add_all(
        self, specs: Iterable[Spec], *, commands: bool = False, first: int = 1
    ) -> AddedMany:
        """Do what add_many does, and say which of the jobs were there already.

        `first` is the number that an error gives the first of them.
        """
        wanted = self._all_wanted(specs, commands)
        kept = self._put_all(wanted, first)
        return AddedMany([one.job.id for one in wanted], kept)

    def chain(self, specs: Iterable[Spec | str]) -> list[str]:
        """Add jobs that run one after the other, all or none, and return their ids in order.

        A spec is one of add_many, or a name alone. Each waits for the one before it, and for
        what it names itself. Raises as `add` does.
        """
        links: list[Wanted] = []
        named = ((spec,) if isinstance(spec, str) else spec for spec in specs)
        for one in self._all_wanted(named):
            links.append(comes_after(links[-1], one) if links else one)
        self._put_all(links)
        return [one.job.id for one in links]

    def check(self, spec: Spec, *, commands: bool = False) -> None:
        """Raise InvalidJob if add_many would refuse `spec`."""
        self._from_spec(spec, self._clock.now(), commands)

    def explain(self, job_id: str, say: Say | None = None) -> Explanation:
        """Return why a job does not run, what it is at, or how it ended.

        `say` words a moment in the sentences, by default in UTC. Raises NotFound.
        """
        from jobctl.services.explaining.case import Case
        from jobctl.services.explaining.explain import explain

        job = required(self.get(job_id), job_id)
        rules = None if self._rules is None else self._rules()
        now = self._clock.now()
        return explain(Case(self._store, job, now, rules, self._cleaning.keep, say))

    def retry(self, job_id: str) -> AnyJob:
        """Make a failed or cancelled job pending again, and return it.

        Raises NotFound or WrongStatus.
        """
        return self._change(job_id, RETRY)

    def cancel(self, job_id: str) -> AnyJob:
        """Cancel a pending job, or ask the daemon to end a running one; return the job.

        Raises NotFound or WrongStatus.
        """
        return self._change(job_id, CANCEL)

    def delete(self, job_id: str) -> None:
        """Remove a job that is not running. Raises NotFound or WrongStatus."""
        self._change(job_id, DELETE)
        self._beside.forget([job_id])

    def bulk(self, verb: str, filter: Filter | str) -> Bulk:
        """Return what does a verb to all jobs that a filter chooses, whose status it fits.

        The verbs are retry, cancel, delete, and cleanup, which deletes finished jobs. Raises
        InvalidFilter, InvalidJob.
        """
        from jobctl.services.bulk import Bulk

        return Bulk(self._store, self._clock, self._beside, verb, parsed(filter))

    def pause(self, name: str | None = None) -> Pause:
        """Let the jobs of a name rest, None for all. Raises InvalidJob."""
        return pausing.pause(self._store, name, self._clock.now())

    def resume(self, name: str | None = None) -> _Pauses:
        """End the pause of a name, None for every pause; return those that ended."""
        return pausing.resume(self._store, name)

    def paused(self) -> _Pauses:
        """Return what rests: all jobs first, then by name."""
        return pausing.paused(self._store)

    def cleanup(
        self, before: datetime | None = None, filter: Filter | str | None = None
    ) -> int:
        """Delete finished jobs that ended before a time, of a filter; return how many.

        Without either the retention decides for each status. A time without a zone
        raises InvalidJob.
        """
        if before is None and filter is None:
            return self._cleaning.run()
        return self.bulk("cleanup", finished(before, filter)).run().changed

    def retain(self, limit: int) -> int:
        """Do one step of what `cleanup` without a time does, and return how much went.

        At most `limit` jobs or records of ticks go; 0 says that nothing is left to do.
        """
        return self._cleaning.step(limit)

    def cleanup_older(
        self, than: datetime | timedelta | None, filter: Filter | str | None = None
    ) -> int:
        """Delete finished jobs that ended before a time, or longer ago than a duration."""
        if isinstance(than, timedelta):
            than = self._clock.now() - than
        return self.cleanup(than, filter)

    def close(self) -> None:
        """Let go of the store."""
        self._store.close()

    def cleanup_matches(self, before: datetime | None = None) -> tuple[int, _Jobs]:
        """Return how many jobs `cleanup` would delete, and the first of them.

        What the retention would delete for its age only.
        """
        if before is None:
            return self._cleaning.matches()
        bulk = self.bulk("cleanup", finished(before, None))
        return bulk.matched(), bulk.first()

    def _wanted(
        self,
        name: str,
        data: Any,
        options: Mapping[str, Any],
        now: datetime,
        new_id: Callable[[], str] | None = None,
    ) -> Wanted:
        job = new_job(name, data, options, now=now, max_data=self._max_data, new_id=new_id)
        if not options:
            return Wanted(job, False, "keep")
        return Wanted(job, own_id(options) is not None, options.get("if_exists") or "keep")

    def _put_all(self, wanted: Sequence[Wanted], first: int = 1) -> list[str]:
        if not wanted:
            return []
        with self._store.transaction() as tx:
            kept = put_all(tx, wanted, first)
            self._beside.forget_replaced(wanted)
        self._store.wake()
        return kept

    def _all_wanted(self, specs: Iterable[Spec], commands: bool = False) -> Sequence[Wanted]:
        """Return what specs ask for, all at one moment. Raises InvalidJob, saying which."""
        now, rest = self._clock.now(), iter(specs)
        wanted: list[Wanted] = []
        # Who makes specs one by one may fork between two: no ids are in hand then.
        while some := [*islice(rest, _SOME)]:
            new_id = random_ids(len(some)).__next__
            for spec in some:
                try:
                    wanted.append(self._from_spec(spec, now, commands, new_id))
                except InvalidJob as err:
                    raise InvalidJob(f"job {len(wanted) + 1}: {err}") from None
        return wanted

    def _from_spec(
        self,
        spec: Spec,
        now: datetime,
        commands: bool,
        new_id: Callable[[], str] | None = None,
    ) -> Wanted:
        name, data, options = parts(spec)
        if not commands or "shell" not in options:
            return self._wanted(name, data, options, now, new_id)
        from jobctl.core.shell import shell_from

        options = dict(options)
        shell = shell_from(options.pop("shell"), max_data=self._max_data)
        return with_shell(self._wanted(name, data, options, now, new_id), shell)

    def _change(self, job_id: str, verb: Verb) -> AnyJob:
        now = self._clock.now()
        with self._store.transaction() as tx:
            changed = verb.act(tx, required(tx.get(job_id), job_id), now)
            verb.follow(tx, [changed], now)
        self._store.wake()
        return changed


def finished(before: datetime | None, filter: Filter | str | None) -> Filter:
    """Return the filter for finished jobs that ended before a time and pass another one.

    Raises InvalidJob for a time without a zone, InvalidFilter.
    """
    from jobctl.core.filters import Filter

    wanted = parsed(filter)
    if before is None:
        return wanted
    return wanted & Filter.finished_before(parse_time(before, what="before"))
