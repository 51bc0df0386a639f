"""jobctl doctor: whether the store is as it should be."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from jobctl.cli import garbage, render
from jobctl.cli.options import Json, session
from jobctl.core.units import counted

EXAMPLE = "jobctl doctor --json"

SICK = 1


def command(
    ctx: typer.Context,
    repair: Annotated[
        bool, typer.Option("--repair", help="Mend what can be mended. No daemon may run.")
    ] = False,
    trust_clock: Annotated[
        bool, typer.Option("--trust-clock", help="Say that the clock is right, after a step.")
    ] = False,
    json: Json = False,
) -> int:
    """Read all of the store, and say what is wrong with it.

    What cannot be read is kept apart by --repair, and no record that can be read is lost.
    The exit code is 1 if anything is wrong, and still is after a repair.
    """
    from jobctl import upkeep

    garbage.collect()
    config = session(ctx).config
    if trust_clock:
        doubted = upkeep.trust_clock(config)
        render.note("the clock is trusted again" if doubted else "nobody doubts the clock")
    found = upkeep.examine(config, repair=repair)
    if json:
        render.json(found.findings)
    elif found.findings:
        rows = [(_state(one, repair), _where(one), one.message) for one in found.findings]
        render.table(("STATE" if repair else "CODE", "WHERE", "WHAT"), rows)
    read = f"read {counted(found.lines, 'line')} in {counted(found.segments, 'segment')}"
    if not found.left:
        render.note(f"{read}: all is well{' now' * bool(found.findings)}")
    elif not repair and any(one.repairable for one in found.left):
        render.note(f"{read}; jobctl doctor --repair mends what can be mended")
    return SICK if found.left else 0


def _state(one: Any, repair: bool) -> str:
    if one.repaired:
        return "mended"
    return "left" if repair else one.code


def _where(one: Any) -> str:
    where = one.path if one.line is None else f"{one.path}:{one.line}"
    return where if one.offset is None else f"{where} byte {one.offset}"
