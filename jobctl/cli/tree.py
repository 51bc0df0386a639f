"""The commands, the options before them, and how a command is found and loaded."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Annotated

import typer
import typer.main

from jobctl.cli import render
from jobctl.cli.options import ConfigFlag, StoreFlag, session
from jobctl.cli.quick import QuickCommand, QuickGroup, example

if TYPE_CHECKING:
    from typer._click import Command, Context

#: The commands in the order of the help. Each is a module of jobctl.cli.commands.
COMMANDS = (
    "add", "list", "show", "logs", "follow", "explain", "wait", "retry", "cancel", "delete",
    "cleanup", "stats", "pause", "resume", "run", "schedule", "dashboard", "health", "doctor",
    "backup", "restore", "export", "init", "config", "systemd",
)  # fmt: skip

#: The commands that go on for long enough to leave garbage (see jobctl.cli.app.main).
LONG = ("run", "wait", "follow", "logs", "stats", "dashboard", "doctor", "export")


class LazyGroup(QuickGroup):
    """A group that imports the module of a command when the command is asked for."""

    def list_commands(self, ctx: Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        if cmd_name not in COMMANDS:
            return None
        if cmd_name not in self.commands:
            self.commands[cmd_name] = self._load(cmd_name)
        return self.commands[cmd_name]

    def resolve_command(
        self, ctx: Context, args: list[str]
    ) -> tuple[str | None, Command | None, list[str]]:
        if args[0] not in COMMANDS and not ctx.resilient_parsing:
            from jobctl.core.text import nearest

            right = nearest(args[0], list(COMMANDS))
            hint = f"did you mean {right}?" if right else f"there are {', '.join(COMMANDS)}"
            ctx.fail(f"there is no command {args[0]!r}: {hint}")
        return super().resolve_command(ctx, args)

    def _load(self, name: str) -> Command:
        from importlib import import_module

        module = import_module(f"jobctl.cli.commands.{name}")
        if name in LONG:
            gc.enable()
        if hasattr(module, "command"):
            alone = typer.Typer(rich_markup_mode=None, add_completion=False)
            alone.command(name, cls=QuickCommand, epilog=example(module.EXAMPLE))(
                module.command
            )
            command = typer.main.get_command(alone)
        else:
            command = typer.main.get_command(module.app)
            command.name = name
        shared = [param for param in self.params if param.name in ("store", "config")]
        for one in (command, *getattr(command, "commands", {}).values()):
            one.params.extend(shared)
        return command


app = typer.Typer(
    cls=LazyGroup,
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
    if ctx.invoked_subcommand is None:
        render.words(ctx.get_help())
        raise typer.Exit(2)
