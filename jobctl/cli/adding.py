"""What `add` does once its arguments are taken apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from jobctl.cli import jobdata, known, render, waiting
from jobctl.cli.options import Session
from jobctl.cli.words import local_time
from jobctl.core.data import parse_json
from jobctl.core.units import counted
from jobctl.errors import InvalidJob, JobctlError

if TYPE_CHECKING:
    from jobctl.services.adding import Added

#: How many jobs of a file go into the store at a time: one durable commit for them.
BATCH = 5000
#: How many of those that were there already are named.
SHOWN = 5
_FAILS = "the job fails unless there is one when it runs"


class Wanted(msgspec.Struct, frozen=True):
    """One job as it was typed."""

    name: str | None
    values: list[str]
    data_file: str | None
    options: dict[str, Any]


class Until(msgspec.Struct, frozen=True):
    """Whether to wait for the end, and how long; `follow` prints the log meanwhile."""

    wait: bool
    timeout: str | None
    follow: bool = False

    def seconds(self) -> float | None:
        """Return the limit in seconds. Raises InvalidJob."""
        return waiting.limit(self.timeout, "--wait-timeout")

    @property
    def wanted(self) -> bool:
        """Whether there is anything to wait for; a limit alone says so too."""
        return self.wait or self.follow or self.timeout is not None


def add_one(here: Session, wanted: Wanted, until: Until, *, as_json: bool) -> int:
    """Add one job, print its id, and return the exit code."""
    if wanted.name is None:
        raise InvalidJob("NAME is missing: say which handler runs the job, or use --from FILE")
    limit = until.seconds()
    data, options = _data(wanted), typed_options(here, wanted.options)
    added = here.queue.add(wanted.name, data, options)
    known.note_unknown(here, [added.job.name], _FAILS)
    return report(here, added, until, limit, as_json=as_json)


def report(
    here: Session, added: Added, until: Until, limit: float | None, *, as_json: bool
) -> int:
    """Print the id of a job that was added, wait if that is asked for; the exit code."""
    if not added.created:
        render.note(
            f"job {added.id} is there already ({added.job.status}): it was kept as it is"
        )
    if as_json:
        render.json({"id": added.id})
    else:
        render.lines([added.id])
    if until.follow:
        return _follow(here, added.job, limit, as_json=as_json)
    return _wait(here, [added.id], limit) if until.wanted else 0


def _follow(here: Session, job: Any, limit: float | None, *, as_json: bool) -> int:
    from jobctl.cli import following, logprint

    out = logprint.printer(raw=False, as_json=as_json)
    return following.follow(here, job, here.queue.log(job.id), out, limit)


def add_file(here: Session, path: str, wanted: Wanted, until: Until, *, as_json: bool) -> int:
    """Add the jobs of a file in batches, print their ids, and return the exit code."""
    from functools import partial

    from jobctl.cli import jsonlines

    _refuse_beside_file(wanted)
    if until.follow:
        raise InvalidJob("--from and --follow do not go together: --wait waits for all of them")
    limit = until.seconds()
    check = partial(here.queue.check, commands=True)
    specs, left_out = jsonlines.read(path, check)
    if left_out:
        render.note(f"{counted(left_out, 'line')} left out: jobs that are not pending")
    if not specs:
        render.note("there are no jobs in it: nothing was added")
    names = (spec["name"] for spec in specs if "shell" not in spec)
    known.note_unknown(here, names, _FAILS)
    ids: list[str] = []
    kept: list[str] = []
    try:
        with render.progress("adding", len(specs)) as advance:
            for start in range(0, len(specs), BATCH):
                batch = specs[start : start + BATCH]
                added = here.queue.add_all(batch, commands=True, first=start + 1)
                ids += added.ids
                kept += added.kept
                advance(len(batch))
    except JobctlError:
        if ids:
            _print_ids(ids, as_json=as_json)
            render.note(f"{len(ids):,} of {len(specs):,} jobs were added before the error")
        raise
    if kept:
        some = ", ".join(kept[:SHOWN]) + (", ..." if len(kept) > SHOWN else "")
        render.note(
            f"not added: {len(kept):,} of {counted(len(ids), 'job')}, whose ids are taken; "
            f"what is there was kept as it is: {some}"
        )
    _print_ids(ids, as_json=as_json)
    return _wait(here, ids, limit) if until.wanted else 0


def _data(wanted: Wanted) -> Any:
    if wanted.data_file is None:
        return jobdata.from_arguments(wanted.values)
    if wanted.values:
        raise InvalidJob("data stands both in the arguments and in --data-file: give one")
    return jobdata.from_file(wanted.data_file)


def typed_options(here: Session, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options with what people may type made plain."""
    if "run_at" in options:
        if "delay" in options:
            raise InvalidJob("--delay and --at say the same in two ways: give one")
        options = {**options, "run_at": local_time(options["run_at"])}
    if "after" in options:
        ids = ",".join(options["after"]).split(",")
        found = [here.queue.resolve(one.strip()).id for one in ids]
        options = {**options, "after": found}
    text = options.get("backoff")
    if text is not None:
        is_json = text.lstrip()[:1] in ("{", "[")
        value = parse_json(text, "backoff") if is_json else text.split(",")
        options = {**options, "backoff": value}
    return options


def _refuse_beside_file(wanted: Wanted) -> None:
    if wanted.name is not None or wanted.data_file is not None or wanted.options:
        raise InvalidJob(
            "--from takes no NAME, data or options beside it: each line of the file has its own"
        )


def _print_ids(ids: list[str], *, as_json: bool) -> None:
    if as_json:
        render.json([{"id": job_id} for job_id in ids])
    else:
        render.lines(ids)


def _wait(here: Session, ids: list[str], limit: float | None) -> int:
    import sys

    sys.stdout.flush()  # the id is there for others while this one waits
    return waiting.exit_code(waiting.wait(here, ids, limit))
