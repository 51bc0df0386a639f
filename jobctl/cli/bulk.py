"""A verb for all jobs that a filter chooses: ask, do it step by step, say what became of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import msgspec
import typer

from jobctl.cli import render, targets
from jobctl.cli.app import INTERRUPTED
from jobctl.cli.interrupts import Interrupts
from jobctl.cli.options import Session
from jobctl.core.units import counted
from jobctl.errors import InvalidJob, JobctlError

if TYPE_CHECKING:
    from jobctl.core.filters import Filter
    from jobctl.core.job import AnyJob
    from jobctl.services.bulk import Bulk, Step

#: Seconds of work without a progress bar.
PATIENCE = 1.0
#: What a verb makes of its jobs.
DONE = {"retry": "retried", "cancel": "cancelled", "delete": "deleted", "cleanup": "deleted"}


class Asked(msgspec.Struct, frozen=True):
    """What the options say. `quiet` prints nothing of the jobs that change."""

    dry_run: bool = False
    yes: bool = False
    json: bool = False
    quiet: bool = False


class Outcome(msgspec.Struct):
    """What has been done so far. `ids` are those of the changed jobs if they were wanted."""

    changed: int = 0
    skipped: int = 0
    refused: list[str] = []
    ids: list[str] = []
    code: int = 0

    def add(self, step: Step, *, keep_ids: bool) -> None:
        """Count a step."""
        self.changed += len(step.changed)
        self.skipped += step.skipped
        self.refused += step.refused
        if keep_ids:
            self.ids += (job.id for job in step.changed)


def act(
    here: Session, verb: str, wanted: Filter, asked: Asked, *, keep_ids: bool = False
) -> Outcome:
    """Do a verb to the jobs of a filter, or show what it would do.

    Raises InvalidJob where a question is due and nobody can be asked.
    """
    bulk = here.queue.bulk(verb, wanted)
    if asked.dry_run:
        targets.dry_run(here, bulk.matched(), bulk.first(), DONE[verb], as_json=asked.json)
        return Outcome()
    total = None if asked.yes else _ask(bulk)
    outcome = Outcome() if total == 0 else _work(here, bulk, asked, total, keep_ids)
    _say(here, verb, wanted, outcome)
    return outcome


def _ask(bulk: Bulk) -> int | None:
    """Ask whether to go on, and return how many jobs match; None if there was no need to.

    Raises typer.Abort.
    """
    if not (render.on_terminal(sys.stdin) and render.on_terminal(sys.stderr)):
        if bulk.verb == "cleanup":
            return None
        raise InvalidJob(
            f"{bulk.verb} with a filter needs --yes where nobody can be asked: it is for every "
            "job that matches (--dry-run shows them)"
        )
    matched = bulk.matched()
    if matched:
        what = "Delete" if bulk.verb == "cleanup" else bulk.verb.capitalize()
        typer.confirm(f"{what} {counted(matched, 'job')}?", abort=True, err=True)
    return matched


def _work(
    here: Session, bulk: Bulk, asked: Asked, total: int | None, keep_ids: bool
) -> Outcome:
    outcome = Outcome()
    # Ids that run over the same terminal show the progress themselves.
    bar = asked.quiet or not render.on_terminal(sys.stdout)
    progress = (
        render.progress(bulk.verb, total, patience=PATIENCE) if bar else nullcontext(_nothing)
    )
    try:
        with _printer(here, asked) as show, Interrupts() as interrupts, progress as advance:
            for step in bulk.steps(interrupts.hold):
                outcome.add(step, keep_ids=keep_ids)
                show(step.changed)
                advance(len(step.changed) + step.skipped + len(step.refused))
                interrupts.release()
    except KeyboardInterrupt:
        outcome.code = INTERRUPTED
        _say_early(bulk.verb, outcome, total)
    except JobctlError:
        _say_early(bulk.verb, outcome, total)
        raise
    return outcome


@contextmanager
def _printer(here: Session, asked: Asked) -> Iterator[Callable[[Sequence[AnyJob]], None]]:
    """Yield what prints the jobs that were changed, as the options want them."""
    if asked.quiet:
        yield _nothing
    elif asked.json:
        array = render.JsonArray()
        try:
            yield lambda jobs: array.add(here.record(job) for job in jobs)
        finally:
            array.end()
    else:
        yield lambda jobs: render.lines(job.id for job in jobs)


def _nothing(progress: object) -> None:
    """Show nothing."""


def _say_early(verb: str, outcome: Outcome, total: int | None) -> None:
    of = "" if total is None else f" of {total:,}"
    render.note(f"{outcome.changed:,}{of} jobs were {DONE[verb]}; the others are as they were")


def _say(here: Session, verb: str, wanted: Filter, outcome: Outcome) -> None:
    """Say which jobs were left alone, and why."""
    if outcome.skipped:
        jobs = counted(outcome.skipped, "job")
        render.note(f"{jobs} changed meanwhile, and did not match any more")
    if outcome.refused:
        jobs = counted(len(outcome.refused), "job")
        render.note(f"{jobs} could not be {DONE[verb]}; the first: {outcome.refused[0]}")
    if verb == "cleanup":
        return  # it says how many, even if they are none
    if not (outcome.changed or outcome.skipped or outcome.refused or outcome.code):
        others = here.queue.stats(wanted).total
        none = f"none of the {counted(others, 'job')} that match can be {DONE[verb]}"
        render.note(none if others else "no job matches")
