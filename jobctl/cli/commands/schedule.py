"""jobctl schedule: what runs by the clock. Each verb has its own file in cli/schedules."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import typer

from jobctl.cli.lazy import LazyGroup, command_of
from jobctl.cli.quick import group, require_command

if TYPE_CHECKING:
    from typer._click import Command

#: By verb: its module, its function there, and the rest of an example.
_VERBS = {
    "list": ("listing", "command", ""),
    "show": ("show", "command", " backup"),
    "next": ("next", "command", " backup -n 20"),
    "add": ("add", "command", ' backup "0 3 * * *" hello --timezone UTC'),
    "remove": ("remove", "command", " backup"),
    "enable": ("switch", "enable", " backup"),
    "disable": ("switch", "disable", " backup"),
    "trigger": ("trigger", "command", " backup"),
    "history": ("history", "command", " backup -n 5"),
}


class Verbs(LazyGroup):
    """The verbs of schedules."""

    names = tuple(_VERBS)

    def load(self, name: str) -> Command:
        home, function, rest = _VERBS[name]
        module = import_module(f"jobctl.cli.schedules.{home}")
        return command_of(name, getattr(module, function), f"jobctl schedule {name}{rest}")


app = group(Verbs)


@app.callback()
def schedule(ctx: typer.Context) -> None:
    """List, show, add and switch what runs by the clock."""
    require_command(ctx)
