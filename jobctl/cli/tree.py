"""The commands, and the options before them."""

from __future__ import annotations

from importlib import import_module
from inspect import getdoc
from typing import TYPE_CHECKING, Annotated

import typer
import typer.main

from jobctl.cli import render
from jobctl.cli.lazy import LazyGroup, command_of
from jobctl.cli.options import ConfigFlag, StoreFlag, session
from jobctl.cli.quick import QuickCommand, QuickGroup, evaluated, require_command

if TYPE_CHECKING:
    from typer._click import Command, Context, HelpFormatter

#: The commands in the order of the help. Each is a module of jobctl.cli.commands.
COMMANDS = (
    "add", "list", "show", "logs", "follow", "explain", "wait", "retry", "cancel", "delete",
    "cleanup", "stats", "pause", "resume", "run", "schedule", "dashboard", "health", "doctor",
    "backup", "restore", "export", "init", "config", "systemd",
)  # fmt: skip
_HOME = "jobctl.cli.commands"


class Commands(LazyGroup):
    """All commands."""

    names = COMMANDS

    def load(self, name: str) -> Command:
        module = import_module(f"{_HOME}.{name}")
        if hasattr(module, "command"):
            return command_of(name, module.command, module.EXAMPLE)
        command = typer.main.get_command(module.app)
        command.name = name
        return command

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:
        # The help of all has no need of their parameters, and these take long to make.
        shown: dict[str, Command] = {}
        for name in COMMANDS:
            module = import_module(f"{_HOME}.{name}")
            about = getdoc(getattr(module, "command", None) or getattr(module, name))
            shown[name] = QuickCommand(name, help=about)
        QuickGroup(commands=shown).format_commands(ctx, formatter)

    def resolve_command(
        self, ctx: Context, args: list[str]
    ) -> tuple[str | None, Command | None, list[str]]:
        if args[0] not in COMMANDS and not ctx.resilient_parsing:
            from jobctl.core.text import meant

            hint = meant(args[0], COMMANDS, f"there are {', '.join(COMMANDS)}")
            ctx.fail(f"there is no command {args[0]!r}: {hint}")
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=Commands,
    rich_markup_mode=None,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(value: bool) -> None:
    if value:
        from jobctl import __version__

        render.lines([__version__])
        raise typer.Exit


@app.callback()
@evaluated
def _options(
    ctx: typer.Context,
    store: StoreFlag = None,
    config: ConfigFlag = None,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Print the version.",
            is_eager=True,
            callback=_print_version,
            expose_value=False,
        ),
    ] = False,
) -> None:
    """A background-job queue for one machine: add jobs, run them, see what became of them."""
    session(ctx)
    require_command(ctx)
