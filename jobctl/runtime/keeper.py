"""The daemon's work with the store, on a thread of its own.

The loop must never wait for the write lock: a stopped lock holder would freeze timeouts
and signals. So it asks here, one request at a time, and is woken when the reply is there.
Results that come in meanwhile go into the next transaction together: one fdatasync for all.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from queue import Empty, SimpleQueue
from typing import Any

import msgspec

from jobctl.clock import Clock
from jobctl.core import dependencies
from jobctl.core.job import AnyJob, Ending, Options, Status, finish
from jobctl.core.store import Store, Transaction
from jobctl.errors import StoreError, StoreFull, StoreUnwritable
from jobctl.runtime import judge
from jobctl.runtime.estate import RemainsOf, nothing
from jobctl.runtime.plan import Plan
from jobctl.services import progress

#: Jobs that are claimed in one transaction at most.
BATCH = 512
#: Seconds without a request after which the store does what it has put off.
REST = 0.05


class Settlement(msgspec.Struct):
    """A claimed job, how its attempt ended, and what held for it."""

    job: AnyJob
    ending: Ending
    options: Options


#: Something else to do with the store; what it returns is brought back.
Errand = Callable[[Store], Any]


class Request(msgspec.Struct):
    """What the loop wants: results written, jobs as the plan allows, a look for cancels.

    An errand is alone in its request: if the store refuses it, nothing else is undone.
    """

    settlements: list[Settlement]
    plan: Plan | None
    look: bool = False
    maintain: bool = False
    errand: Errand | None = None


class Reply(msgspec.Struct):
    """What came of it. With an `error` nothing was done, and the request is to be repeated."""

    request: Request
    at: datetime
    claimed: list[AnyJob] = []
    settled: list[AnyJob] = []
    cancelled: list[AnyJob] = []  # they waited for one that did not complete
    freed: bool = False  # some that waited for others may wait no more
    cancelling: list[str] = []
    exhausted: bool = False  # nothing more is due now
    next_due: datetime | None = None
    more_to_maintain: bool = False
    brought: Any = None  # what the errand returned
    full: StoreError | None = None  # why no jobs were claimed, as a rule for want of room
    error: StoreError | None = None
    bug: BaseException | None = None


class Keeper:
    """The thread, and its mailbox."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._requests: SimpleQueue[Request | None] = SimpleQueue()
        self._replies: SimpleQueue[Reply] = SimpleQueue()
        self._event = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._thread = threading.Thread(target=self._serve, name="jobctl-store", daemon=True)
        self.busy = False
        #: Bytes that what runs may write in the end: the store is told.
        self.room = 0
        self._told = 0

    def fileno(self) -> int:
        """A descriptor that becomes readable with a reply."""
        return self._event

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def ask(self, request: Request) -> None:
        """Send a request; the one before it must have been answered."""
        self.busy = True
        self._requests.put(request)

    def answer(self) -> Reply:
        """Take the reply that is there."""
        os.eventfd_read(self._event)
        self.busy = False
        return self._replies.get()

    def stop(self) -> None:
        """End the thread."""
        self._requests.put(None)
        self._thread.join(timeout=2)
        os.close(self._event)

    def _serve(self) -> None:
        while (request := self._next()) is not None:
            now = self._clock.now()
            try:
                if self._told != self.room:
                    self._store.keep_room(self.room)
                    self._told = self.room
                reply = serve(self._store, request, now)
            except StoreError as err:
                reply = Reply(request, now, error=err)
            except BaseException as err:  # the loop raises it: a thread's death would be silent
                reply = Reply(request, now, bug=err)
            self._replies.put(reply)
            os.eventfd_write(self._event, 1)
        self._catch_up()

    def _next(self) -> Request | None:
        """Wait for the next request, and use a rest in which there is none."""
        try:
            request = self._requests.get(timeout=REST)
        except Empty:
            self._catch_up()
            request = self._requests.get()
        return request

    def _catch_up(self) -> None:
        with suppress(StoreError):  # whoever looks for it does it himself
            self._store.catch_up()


def serve(store: Store, request: Request, now: datetime) -> Reply:
    """Do what a request asks for, in one transaction.

    A store that is too full for new jobs to begin, or whose index cannot be written, still
    takes how others ended.
    """
    reply = Reply(request, now)
    acts = bool(request.settlements) or request.plan is not None or request.look
    if acts:
        try:
            _transact(store, reply, request.plan, now)
        except (StoreFull, StoreUnwritable) as err:
            if request.plan is None:
                raise
            reply = Reply(request, now, full=err)
            if request.settlements or request.look:
                _transact(store, reply, None, now)
        forget_progress(store, reply.settled)
    if request.errand is not None:
        reply.brought = request.errand(store)
    if request.maintain:
        try:
            reply.more_to_maintain = store.maintain()
        except StoreError as err:
            # It would make room, and needs some. And what came before it is done.
            if not (acts or isinstance(err, StoreFull)):
                raise
    return reply


def _transact(store: Store, reply: Reply, plan: Plan | None, now: datetime) -> None:
    with store.transaction() as tx:
        reply.settled = settle(tx, reply.request.settlements)
        followed = dependencies.follow(tx, reply.settled, now)
        reply.cancelled, reply.freed = followed.cancelled, followed.freed
        if plan is not None:
            reply.claimed = tx.claim(BATCH, now, plan.admit)
            reply.exhausted = not plan.full and len(reply.claimed) < BATCH
            if reply.exhausted:
                reply.next_due = tx.next_run_at()
        reply.cancelling = tx.cancelling()


def settle(tx: Transaction, settlements: Sequence[Settlement]) -> list[AnyJob]:
    """Write how attempts ended, and return the jobs as they are now.

    A job that was changed meanwhile (a cancel was asked for) is read again; one that is no
    longer in that attempt, because somebody restored another store, is left alone.
    """
    done = [finish(s.job, s.ending, s.options, random.random()) for s in settlements]  # noqa: S311 - jitter
    stale = {job.id for job in tx.settle(done)}
    if not stale:
        return done
    result = [job for job in done if job.id not in stale]
    for given in settlements:
        if given.job.id in stale:
            current = tx.get(given.job.id)
            if (
                current is not None
                and current.status is Status.RUNNING
                and current.attempts == given.job.attempts
                and current.started_at == given.job.started_at
            ):
                job = finish(current, given.ending, given.options, random.random())  # noqa: S311 - jitter
                tx.save(job)
                result.append(job)
    return result


def forget_progress(store: Store, jobs: Sequence[AnyJob]) -> None:
    """Remove the progress files of attempts that have ended: the record has the last word."""
    for job in jobs:
        if job.progress is not None:
            progress.forget(progress.folder_in(store.files), job.id)


def recover(
    store: Store,
    begun: set[str],
    options: Options,
    now: datetime,
    remains: RemainsOf = nothing,
    step: int = 1000,
) -> list[AnyJob]:
    """Give back what an earlier daemon left running; what had begun is charged as lost.

    `remains` tells what is left of these. The caller holds the seat and has ended that
    daemon's processes.
    """
    recovered: list[AnyJob] = []
    while running := store.list(status=Status.RUNNING, limit=step):
        with store.transaction() as tx:
            for job in running:
                ending = judge.released(now)
                if job.id in begun:
                    ending = judge.lost(now, remains(job))
                done = finish(job, ending, options)
                if tx.settle([done]):
                    current = tx.get(job.id)
                    if current is not None and current.status is Status.RUNNING:
                        done = finish(current, ending, options)
                        tx.save(done)
                recovered.append(done)
            dependencies.follow(tx, recovered[-len(running) :], now)
    forget_progress(store, recovered)
    return recovered
