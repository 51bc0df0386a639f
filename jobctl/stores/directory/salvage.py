"""What can be saved of records that do not count, and what must not count in their place.

A whole line of a transaction of which another line is damaged was acknowledged once: what
nobody was told of is cut off before anything follows it. So it counts again. So does a line
that was refused because of another job of its id, if that is there no more. A job whose
newest line is damaged is left with an older state, which may be one before it ran: it must
not run again by itself, so it is cancelled, with the reason as its error.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from jobctl.core.job import (
    Ending,
    Job,
    JobError,
    Options,
    Outcome,
    Status,
    cancel,
    finish,
)
from jobctl.core.store import AnyJob
from jobctl.core.unreadable import UNREADABLE
from jobctl.stores.directory import lines
from jobctl.stores.directory.fold import TORN
from jobctl.stores.directory.inspection import JOBLESS, Bad
from jobctl.stores.directory.journal import REFUSED
from jobctl.stores.directory.segments import Place

if TYPE_CHECKING:
    from jobctl.stores.directory.store import DirectoryStore
    from jobctl.stores.directory.transaction import DirectoryTransaction

#: Jobs that are looked at in one transaction.
_BATCH = 1000
_ID = re.compile(rb'\A.{0,24}"id":"([A-Za-z0-9._:@-]{1,128})"', re.DOTALL)
_UNKNOWN = JobError(
    "RecordLost", "its newest record was damaged: nobody knows what became of it"
)


def salvage(
    store: DirectoryStore, bad: Iterable[Bad], lost: set[str], now: datetime
) -> dict[str, str]:
    """Bring back what can be, and say what became of the jobs that `lost` or a bad line names.

    The index has been made anew from the journal.
    """
    damaged: dict[str, Place] = {}
    whole: dict[str, AnyJob] = {}
    for one in sorted(bad):
        text = store.journal.read_raw(one.place)
        if not lines.intact(text):
            match = _ID.match(text)
            if match and lines.place_in_transaction(text):
                damaged[match[1].decode()] = one.place
        elif one.reason in (TORN, REFUSED):
            _take(whole, text)
        elif one.reason == JOBLESS:
            entry = lines.read_entry(text)
            lost = lost if entry is None else lost | {entry.id}
    _forget_deleted(store, whole)
    for some in _batches([*whole]):
        with store.transaction() as tx:
            for job_id in some:
                _bring_back(tx, whole[job_id])
    fates: dict[str, str] = {}
    for some in _batches(sorted({*damaged, *lost} - whole.keys())):
        with store.transaction() as tx:
            for job_id in some:
                fates[job_id] = _settle(tx, job_id, damaged.get(job_id), now)
    return fates


def _take(whole: dict[str, AnyJob], text: bytes) -> None:
    try:
        job = lines.decode_job(text)
    except UNREADABLE:
        return
    known = whole.get(job.id)
    if known is None or (known.seq, known.rev) <= (job.seq, job.rev):
        whole[job.id] = job


def _forget_deleted(store: DirectoryStore, whole: dict[str, AnyJob]) -> None:
    """Drop those that were deleted, whether or not the line that says so counts."""
    if not whole:
        return
    for segment in store.journal.segments():
        for line in store.journal.scan(segment, 0):
            if line.text.startswith(b'{"kind":"tombstone"'):
                entry = lines.read_entry(line.text)
                job = None if entry is None else whole.get(entry.id)
                if entry is not None and job is not None and job.seq == entry.seq:
                    del whole[entry.id]


def _bring_back(tx: DirectoryTransaction, job: Job[object]) -> None:
    known = tx.index().known(job.id)
    if known is None or (known.seq == job.seq and known.rev < job.rev):
        tx.copy(job)


def _settle(tx: DirectoryTransaction, job_id: str, damaged: Place | None, now: datetime) -> str:
    found = tx.index().get(job_id)
    if found is None:
        return "nothing older of it is there"
    if damaged is not None and found[0].place > damaged:
        return "a newer one counts"
    job = tx.store.journal.job(found[0].place)
    if job is None:
        tx.index().drop(found[0])
        return "it holds no job, and nothing of it counts any more"
    if job.status is Status.PENDING:
        tx.save(cancel(job, now, _UNKNOWN))
    elif job.status is Status.RUNNING:
        ending = Ending(Outcome.CANCELLED, now, error=_UNKNOWN)
        tx.save(finish(job, ending, Options()))
    else:
        return f"an older one says that it was {job.status}"
    return (
        f"an older one said that it was {job.status}: it is cancelled now, retry it if need be"
    )


def _batches(names: list[str]) -> Iterable[list[str]]:
    return (names[at : at + _BATCH] for at in range(0, len(names), _BATCH))
