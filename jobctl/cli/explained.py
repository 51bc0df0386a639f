"""An explanation, laid out for people."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from jobctl.cli import render
from jobctl.cli.words import moment
from jobctl.clock import SystemClock

if TYPE_CHECKING:
    from jobctl.services.explaining.answer import Explanation


def say(at: datetime) -> str:
    """Return a moment in this machine's time, and how far off it is."""
    return moment(at, SystemClock().now())


def show(found: Explanation) -> None:
    """Print the reasons, what else is known, and what helps."""
    render.lines([f"{found.name} {found.id} is {found.status}"])
    render.lines(f"- {reason.message}" for reason in found.reasons)
    render.lines(f"  {fact.message}" for fact in found.about)
    if found.next:
        width = max(len(step.command) for step in found.next)
        render.lines(["next:"])
        render.lines(f"  {step.command:{width}}  {step.why}" for step in found.next)
