"""jobctl logs: what a job's handlers have printed and logged."""

from __future__ import annotations

from typing import Annotated

import typer

from jobctl.cli import following, logprint, logview, render, targets
from jobctl.cli.options import JobId, Json, Raw, session
from jobctl.errors import InvalidJob

EXAMPLE = "jobctl logs welcome-42 --tail 20"


def command(
    ctx: typer.Context,
    job_id: JobId,
    tail: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="The last N lines only.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION|TIME", help="Only what came since: 10m, 2026-11-24T14:30."
        ),
    ] = None,
    attempt: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Only what attempt N wrote.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the job has ended.")
    ] = False,
    raw: Raw = False,
    json: Json = False,
) -> int:
    """Show what a job has printed and logged, attempt by attempt.

    With --since a line without a time of its own, as a command prints it, is left out only
    if it was surely written before. With --follow the exit code is that of `jobctl follow`.
    """
    here = session(ctx)
    if follow and attempt is not None:
        raise InvalidJob(
            "--follow and --attempt do not go together: attempts to come have others"
        )
    choice = logview.choice(tail, since, attempt)
    out = logprint.printer(raw=raw, as_json=json)
    job = targets.one(here, job_id)
    if json and not follow:
        lines = logview.lines(here, job, choice, here.queue.log(job.id, once=True))
        texts = [logprint.text_of(line) for line in lines]
        render.json({"id": job.id, "path": str(here.queue.log_path(job.id)), "lines": texts})
        return 0
    growth = here.queue.log(job.id, once=not follow)
    wrote = out.put(logview.pieces(here, job, choice, growth))
    if follow:
        return following.follow(here, job, growth, out, None)
    out.end()
    if not wrote:
        logview.explain_nothing(here, job, choice)
    return 0
