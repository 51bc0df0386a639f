"""jobctl logs: what a job's handlers have printed and logged."""

from __future__ import annotations

from typing import Annotated

import typer

from jobctl.cli import render, targets
from jobctl.cli.options import Json, session
from jobctl.errors import StoreError

EXAMPLE = "jobctl logs welcome-42 --tail 20"


def command(
    ctx: typer.Context,
    job_id: Annotated[
        str, typer.Argument(metavar="ID", help="An id, or a beginning that only one has.")
    ],
    tail: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="The last N lines only.")
    ] = None,
    json: Json = False,
) -> None:
    """Show what a job has printed and logged, attempt by attempt."""
    here = session(ctx)
    targets.refuse_filters([job_id])
    job = here.queue.resolve(job_id)
    path = here.queue.log_path(job.id)
    try:
        content = here.queue.read_log(job.id)
    except OSError as err:
        raise StoreError(f"{path} cannot be read: {err.strerror}") from err
    lines = content.decode("utf-8", "replace").split("\n")
    if not lines[-1]:
        lines.pop()
    if tail is not None:
        lines = lines[max(0, len(lines) - tail) :]
    if json:
        render.json({"id": job.id, "path": str(path), "lines": lines})
        return
    if not content:
        render.note(f"job {job.id} ({job.status}) has written nothing so far")
    render.lines(line.replace("\t", "    ").rstrip("\r") for line in lines)
