"""Groups that import a command when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import typer
import typer.main

from jobctl.cli.quick import QuickCommand, QuickGroup, evaluated, example

if TYPE_CHECKING:
    from typer._click import Command, Context


class LazyGroup(QuickGroup):
    """A group of commands that `load` imports."""

    #: The commands, in the order of the help.
    names: ClassVar[tuple[str, ...]] = ()

    def load(self, name: str) -> Command:
        """Return a command."""
        raise NotImplementedError

    def list_commands(self, ctx: Context) -> list[str]:
        return list(self.names)

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        if cmd_name not in self.names:
            return None
        if cmd_name not in self.commands:
            command = self.load(cmd_name)
            # What may stand before a command may stand after it, too.
            shared = [param for param in self.params if param.name in ("store", "config")]
            for one in (command, *getattr(command, "commands", {}).values()):
                one.params.extend(shared)
            self.commands[cmd_name] = command
        return self.commands[cmd_name]

    def resolve_command(
        self, ctx: Context, args: list[str]
    ) -> tuple[str | None, Command | None, list[str]]:
        if args[0] not in self.names and not ctx.resilient_parsing:
            for name in self.names:  # typer looks for the nearest among those that are there
                self.get_command(ctx, name)
        return super().resolve_command(ctx, args)


def command_of(name: str, function: Callable[..., Any], line: str) -> Command:
    """Return the command of a function; its help ends with the example `line`."""
    alone = typer.Typer(rich_markup_mode=None, add_completion=False)
    alone.command(name, cls=QuickCommand, epilog=example(line))(evaluated(function))
    return typer.main.get_command(alone)
