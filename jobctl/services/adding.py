"""Adding: what a spec asks for, and what becomes of an id that is taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from jobctl.core import dependencies
from jobctl.core import job as transitions
from jobctl.core.store import AnyJob, Transaction
from jobctl.errors import Duplicate, InvalidJob, NotFound, WrongStatus

#: What add_many takes: the fields by name, or (name, data) or (name, data, options).
Spec = Mapping[str, Any] | Sequence[Any]

NO_OPTIONS: Mapping[str, Any] = {}


class Added(msgspec.Struct, frozen=True):
    """What an add did. `created` is False if a job with that id was there and was kept."""

    id: str
    created: bool
    job: AnyJob


class AddedMany(msgspec.Struct, frozen=True):
    """What an add of many did: all ids in order, and those whose jobs were there and kept."""

    ids: list[str]
    kept: list[str]


class Wanted(msgspec.Struct, frozen=True, gc=False):
    """A job that passed all checks, and what to do if its id is taken."""

    job: AnyJob
    named: bool  # it brought its own id, so somebody may have it already
    if_exists: str


def parts(spec: Spec) -> tuple[str, Any, Mapping[str, Any]]:
    """Return the name, data and options of a spec. Raises InvalidJob."""
    if isinstance(spec, (tuple, list)) and 1 <= len(spec) <= 3:
        name, data, options = (*spec, None, None)[:3]
        if options is None or isinstance(options, Mapping):
            return name, data, options or NO_OPTIONS
    elif isinstance(spec, (dict, Mapping)):  # to ask whether it is a dict takes no time
        options = dict(spec)
        if "name" not in options:
            raise InvalidJob("name is missing: say which handler runs the job")
        return options.pop("name"), options.pop("data", None), options
    raise InvalidJob("it is no job: give name, data and options, or (name, data, options)")


def comes_after(before: Wanted, one: Wanted) -> Wanted:
    """Return `one` as the next link of a chain: it waits for `before` too."""
    after = tuple(dict.fromkeys((*one.job.after, before.job.id)))
    return msgspec.structs.replace(one, job=msgspec.structs.replace(one.job, after=after))


def with_shell(wanted: Wanted, shell: dict[str, Any]) -> Wanted:
    """Return what is wanted as a shell job."""
    job = msgspec.structs.replace(wanted.job, shell=shell)
    return msgspec.structs.replace(wanted, job=job)


def put(tx: Transaction, wanted: Wanted) -> Added:
    """Add one job. Raises Duplicate or WrongStatus if its id is taken and may not be,
    and as dependencies.check does."""
    # A random id is new: nothing to look up, so a plain add needs no index.
    old = tx.get(wanted.job.id) if wanted.named else None
    if old is None:
        if wanted.job.after:
            dependencies.check(tx, wanted.job)
        tx.add((wanted.job,))
        return Added(wanted.job.id, True, wanted.job)
    return _settle_clash(tx, old, wanted)


def put_all(tx: Transaction, wanted: Sequence[Wanted], first: int = 1) -> list[str]:
    """Add many in their order, and return the ids of those that were there and kept.

    An id that stands twice among them is taken the second time. Raises as `put` does, saying
    which of them it is; `first` is the number of the first.
    """
    batch: dict[str, AnyJob] = {}
    kept: list[str] = []
    for number, one in enumerate(wanted, first):
        try:
            if one.named:
                if one.job.id in batch:
                    tx.add(batch.values())
                    batch = {}
                old = tx.get(one.job.id)
                if old is not None:
                    if not _settle_clash(tx, old, one).created:
                        kept.append(old.id)
                    continue
            if one.job.after:
                tx.add(batch.values())
                batch = {}
                dependencies.check(tx, one.job)
        except (InvalidJob, NotFound, Duplicate, WrongStatus) as err:
            raise type(err)(f"job {number}: {err}") from None
        batch[one.job.id] = one.job
    tx.add(batch.values())
    return kept


def _settle_clash(tx: Transaction, old: AnyJob, wanted: Wanted) -> Added:
    if wanted.if_exists == "keep":
        return Added(old.id, False, old)
    if wanted.if_exists == "error":
        raise Duplicate(
            f"job {old.id} is there already ({old.status}): choose another id, or say "
            "if_exists keep or replace"
        )
    job = transitions.replace(old, wanted.job)
    dependencies.check(tx, job)
    tx.save(job)
    return Added(job.id, True, job)
