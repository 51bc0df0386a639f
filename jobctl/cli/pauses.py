"""How pauses are said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jobctl.cli import render
from jobctl.cli.words import moment
from jobctl.clock import SystemClock
from jobctl.services.pausing import Pause, subject, undo


def records(pauses: Sequence[Pause]) -> list[dict[str, Any]]:
    """Return pauses as JSON has them; the name is null where all jobs rest."""
    return [{"name": pause.name, "since": pause.since} for pause in pauses]


def show(pauses: Sequence[Pause], *, as_json: bool) -> None:
    """Print what rests."""
    if as_json:
        render.json(records(pauses))
        return
    if not pauses:
        render.note("nothing is paused")
        return
    now = SystemClock().now()
    rows = [(pause.name or "(all jobs)", moment(pause.since, now)) for pause in pauses]
    render.table(("NAME", "SINCE"), rows)


def remind(pauses: Sequence[Pause]) -> None:
    """Say beside other output that some jobs rest."""
    now = SystemClock().now()
    for pause in pauses:
        render.note(f"{subject(pause)} since {moment(pause.since, now)}: `{undo(pause)}`")
