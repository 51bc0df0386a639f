"""Acting on several jobs: each is tried, and the first failure decides the exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import msgspec

from jobctl.cli import filters, render
from jobctl.cli.options import Session
from jobctl.cli.words import local, remark
from jobctl.clock import SystemClock
from jobctl.core.job import AnyJob
from jobctl.core.units import counted
from jobctl.core.wording import relative
from jobctl.errors import InvalidJob, JobctlError, NotFound
from jobctl.services.cleaning import SHOWN


class Tried(msgspec.Struct):
    """What came of it: the jobs as `act` returned them, and the exit code."""

    jobs: list[AnyJob]
    code: int = 0


def each(
    session: Session, ids: Sequence[str], act: Callable[[AnyJob], AnyJob], *, show: bool
) -> Tried:
    """Call `act` with the job that each id names, and report on stderr what fails.

    With `show` the id of each job that succeeds is printed as soon as it did. Raises
    InvalidJob for a filter, before anything is done.
    """
    refuse_filters(ids)
    queue = session.queue
    tried = Tried([])
    for given in dict.fromkeys(ids):
        try:
            job = queue.resolve(given)
            tried.jobs.append(act(job))
        except JobctlError as err:
            render.error(f"{err}{filters.hint(given) if isinstance(err, NotFound) else ''}")
            tried.code = tried.code or err.exit_code
        else:
            if show:
                render.lines([job.id])
    return tried


def one(session: Session, job_id: str) -> AnyJob:
    """Return the job that an id names, or a beginning of one. Raises InvalidJob, NotFound."""
    refuse_filters([job_id])
    return session.queue.resolve(job_id)


def refuse_filters(arguments: Sequence[str]) -> None:
    """Raise InvalidJob for a filter where ids are wanted."""
    for argument in arguments:
        if filters.is_filter(argument):
            raise InvalidJob(
                f"{argument!r} is a filter, and this command takes ids: "
                f"`jobctl list -q {argument!r}` prints them"
            )


def try_out(
    session: Session,
    ids: Sequence[str],
    transition: Callable[[AnyJob], object],
    done: str,
    *,
    as_json: bool,
) -> int:
    """Show which of the jobs would be `done`, and what keeps the others from it.

    Returns the exit code. `transition` raises what the act would; nothing is changed.
    """

    def check(job: AnyJob) -> AnyJob:
        transition(job)
        return job

    tried = each(session, ids, check, show=False)
    dry_run(session, len(tried.jobs), tried.jobs, done, as_json=as_json)
    return tried.code


def dry_run(
    session: Session, matched: int, jobs: Sequence[AnyJob], done: str, *, as_json: bool
) -> None:
    """Show how many jobs would be `done` (retried, deleted), and the first of them."""
    first = list(jobs[:SHOWN])
    if as_json:
        render.json({"matched": matched, "jobs": session.records(first)})
        return
    if first:
        show_rows(first)
    some = f", the first {len(first)} are shown" if matched > len(first) else ""
    render.note(f"{counted(matched, 'job')} would be {done}; none was{some}")


def show_rows(jobs: Sequence[AnyJob]) -> None:
    """Print jobs as rows: with ages on a terminal, with times in a pipe."""
    now = SystemClock().now()
    terminal = render.on_terminal(sys.stdout)
    rows = [
        (
            job.id,
            job.name,
            str(job.status),
            str(job.attempts),
            relative(job.created_at, now) if terminal else local(job.created_at, sep="T"),
            remark(job, now),
        )
        for job in jobs
    ]
    headers = ("ID", "NAME", "STATUS", "ATTEMPTS", "CREATED", "NOTE")
    render.table(headers, rows, shrink=((1, 20), (5, 20), (1, 12), (5, 12)))
