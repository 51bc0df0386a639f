"""Commands whose parameters are read without pydantic.

Typer hands each value to a pydantic adapter, which it builds when the command is called:
twice the cost of all the rest of an add. Text, flags and whole numbers need none, so these
parameters get a reader of their own; whatever that does not know goes to typer's as before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, get_type_hints

import typer
import typer.core

from jobctl.cli import render

if TYPE_CHECKING:
    from typer._click import Context, Parameter


#: Where in ctx.meta a command finds that number.
AFTER_DASHES = "jobctl.after_dashes"


class QuickCommand(typer.core.TyperCommand):
    """A command with quick readers. It remembers how many arguments follow a `--`."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        if "--" in args:
            ctx.meta[AFTER_DASHES] = len(args) - args.index("--") - 1
        return super().parse_args(ctx, args)

    def get_params(self, ctx: Context) -> list[Parameter]:
        return _quick(super().get_params(ctx))


class QuickGroup(typer.core.TyperGroup):
    """A group with quick readers for the options before the command."""

    def get_params(self, ctx: Context) -> list[Parameter]:
        return _quick(super().get_params(ctx))


def group(cls: type[QuickGroup] = QuickGroup) -> typer.Typer:
    """Return a group of commands below a command."""
    return typer.Typer(
        cls=cls, rich_markup_mode=None, add_completion=False, invoke_without_command=True
    )


def require_command(ctx: typer.Context) -> None:
    """End with the help, as a usage error, if no command of the group was named."""
    if ctx.invoked_subcommand is None:
        render.words(ctx.get_help())
        raise typer.Exit(2)


def example(line: str) -> str:
    """Return what stands below a command's help: a line to type. The tests type it."""
    return f"Example: {line}"


def evaluated(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function, its annotations evaluated.

    Typer evaluates each text four times, which is half of what it does for a command.
    """
    function.__annotations__ = get_type_hints(function, include_extras=True)
    return function


def _quick(params: list[Parameter]) -> list[Parameter]:
    for param in params:
        if getattr(param, "_runtime_param", "absent") is None:
            # No public way leads here; a test tells if typer moves it.
            param._runtime_param = _Reader(param.type_descriptor)  # type: ignore[attr-defined]  # see above
        if param.param_type_name == "argument":
            # "ID... <list[str]>" in the help says nothing that "ID..." does not.
            vars(param)["display_type_rich"] = lambda ctx: ""
        elif param.metavar is None and not getattr(param, "is_flag", False):
            descriptor = getattr(param, "type_descriptor", None)
            number = getattr(descriptor, "annotation", None) is int
            param.metavar = "N" if number else (param.name or "").upper()
    return params


class _Reader:
    """Stands where typer keeps its RuntimeParam."""

    def __init__(self, descriptor: Any) -> None:
        self._descriptor = descriptor

    def coerce(self, value: Any, param: Any, ctx: Context) -> Any:
        """Return the value that the command gets for what was typed."""
        if value is None:
            return () if param.multiple or param.nargs == -1 else None
        kind = self._descriptor.annotation
        if kind is int:
            return self._whole(value, ctx, param)
        if kind is str or (kind is bool and isinstance(value, bool)) or kind == list[str]:
            return value
        from typer._coercion import build_runtime_param

        return build_runtime_param(self._descriptor).coerce(value, param=param, ctx=ctx)

    def _whole(self, value: Any, ctx: Context, param: Any) -> int:
        try:
            number = int(value)
        except ValueError:
            problem = f"{value!r} is not a whole number"
            raise typer.BadParameter(problem, ctx, param) from None
        least = self._descriptor.parameter_info.min
        if least is not None and number < least:
            raise typer.BadParameter(f"{value} is too small: use {least} or more", ctx, param)
        return number
