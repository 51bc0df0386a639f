"""What `add --shell` does: a command, where it runs and with what environment."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from jobctl.cli import adding
from jobctl.cli.options import Session
from jobctl.cli.quick import AFTER_DASHES
from jobctl.core.data import show
from jobctl.errors import InvalidJob

if TYPE_CHECKING:
    import typer


class Typed(msgspec.Struct, frozen=True):
    """A command as it was typed."""

    name: str | None
    argv: list[str]
    env: dict[str, str]


def typed(
    ctx: typer.Context, words: Sequence[str | None], env: Sequence[str], *, shell: bool
) -> Typed:
    """Return the command and the name that stands before it. Raises InvalidJob."""
    if not shell:
        raise InvalidJob("--env is for shell jobs: add --shell, or take it away")
    given = [word for word in words if word is not None]
    count = ctx.meta.get(AFTER_DASHES, 0)
    before, argv = given[: len(given) - count], given[len(given) - count :]
    if not argv:
        raise InvalidJob("the command is missing: write `jobctl add --shell -- CMD ARGS...`")
    if len(before) > 1:
        raise InvalidJob(f"{show(before[1])} is refused: only a NAME stands before the --")
    return Typed(before[0] if before else None, argv, _environment(env))


def _environment(settings: Sequence[str]) -> dict[str, str]:
    from jobctl.core.shell import kept

    chosen = kept(os.environ)
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            if name not in os.environ:
                raise InvalidJob(f"--env {show(name)} is not set here: write NAME=VALUE")
            value = os.environ[name]
        chosen[name] = value
    return chosen


def refuse_beside(data_file: str | None, from_file: str | None) -> None:
    """Raise InvalidJob for options that say where a job's data is."""
    for flag, value in (("--data-file", data_file), ("--from", from_file)):
        if value is not None:
            raise InvalidJob(f"{flag} and --shell do not go together: a command has no data")


def add(
    here: Session,
    command: Typed,
    options: dict[str, Any],
    until: adding.Until,
    *,
    as_json: bool,
) -> int:
    """Add the job, print its id, and return the exit code."""
    limit = until.seconds()
    added = here.queue.add_shell(
        command.argv,
        adding.typed_options(here, options),
        name=command.name,
        cwd=os.getcwd(),
        env=command.env,
    )
    return adding.report(here, added, until, limit, as_json=as_json)
