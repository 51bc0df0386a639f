"""jobctl schedule enable and disable: the switch, which beats what the file says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer

from jobctl.cli import render
from jobctl.cli.options import Json, Session, session
from jobctl.cli.schedules.shown import Names, record
from jobctl.errors import JobctlError


def enable(ctx: typer.Context, names: Names, json: Json = False) -> int:
    """Switch schedules on, whatever their files say."""
    here = session(ctx)
    return _each(here, names, here.scheduler.enable, as_json=json)


def disable(ctx: typer.Context, names: Names, json: Json = False) -> int:
    """Switch schedules off, whatever their files say."""
    here = session(ctx)
    return _each(here, names, here.scheduler.disable, as_json=json)


def _each(here: Session, names: list[str], act: Callable[[str], Any], *, as_json: bool) -> int:
    code = 0
    changed = []
    for name in dict.fromkeys(names):
        try:
            changed.append(act(name))
        except JobctlError as err:
            render.error(err)
            code = code or err.exit_code
    if as_json:
        render.json([record(here, one) for one in changed])
    else:
        render.lines(one.name for one in changed)
    return code
