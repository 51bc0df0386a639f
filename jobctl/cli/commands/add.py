"""jobctl add: one job, or a file of them."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from jobctl.cli import adding
from jobctl.cli.options import Json, session

EXAMPLE = "jobctl add hello name=you --delay 10m --tag greeting"

_Text = str | None


def command(
    ctx: typer.Context,
    name: Annotated[
        _Text, typer.Argument(metavar="NAME", help="Which handler runs it.")
    ] = None,
    values: Annotated[
        list[str] | None,
        typer.Argument(metavar="[DATA | KEY=VALUE KEY:=JSON...]", help="What the job gets."),
    ] = None,
    data_file: Annotated[_Text, typer.Option(metavar="FILE|-", help="Data as JSON.")] = None,
    priority: Annotated[int | None, typer.Option(help="Higher runs first; 0 if unset.")] = None,
    max_retries: Annotated[int | None, typer.Option(help="Runs after the first.")] = None,
    delay: Annotated[_Text, typer.Option(metavar="DURATION", help="Run after: 5m.")] = None,
    at: Annotated[_Text, typer.Option(metavar="TIME", help="Run at: 2026-12-31T23:59.")] = None,
    job_id: Annotated[_Text, typer.Option("--id", metavar="ID", help="An id of yours.")] = None,
    if_exists: Annotated[
        _Text, typer.Option(metavar="keep|error|replace", help="If --id is taken.")
    ] = None,
    timeout: Annotated[
        _Text, typer.Option(metavar="DURATION", help="For each run: 30s.")
    ] = None,
    tag: Annotated[list[str] | None, typer.Option(metavar="TAG", help="Repeatable.")] = None,
    backoff: Annotated[
        _Text, typer.Option(metavar="DELAYS|JSON", help='1s,1m,1h or {"base": "1s"}.')
    ] = None,
    after: Annotated[
        list[str] | None,
        typer.Option(metavar="ID[,ID]", help="Run when these have completed."),
    ] = None,
    concurrency_key: Annotated[
        _Text, typer.Option(metavar="KEY", help="Jobs that share a limit.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it has ended.")] = False,
    wait_timeout: Annotated[
        _Text, typer.Option(metavar="DURATION", help="Wait at most: 5m. Exit code 124.")
    ] = None,
    from_file: Annotated[
        _Text, typer.Option("--from", metavar="FILE.jsonl|-", help="A job a line, as JSON.")
    ] = None,
    shell: Annotated[
        bool, typer.Option("--shell", help="Run a command: add [NAME] --shell -- CMD ARGS...")
    ] = False,
    env: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[=VALUE]", help="A variable for --shell. Repeatable."),
    ] = None,
    json: Json = False,
) -> int:
    """Add a job and print its id. Data is JSON, or made of key=value and key:=json."""
    options: dict[str, Any] = {
        "priority": priority,
        "max_retries": max_retries,
        "delay": delay,
        "run_at": at,
        "id": job_id,
        "if_exists": if_exists,
        "timeout": timeout,
        "tags": tag,
        "backoff": backoff,
        "concurrency_key": concurrency_key,
        "after": after or None,
    }
    given = {key: value for key, value in options.items() if value is not None}
    wanted = adding.Wanted(name, values or [], data_file, given)
    until = adding.Until(wait, wait_timeout)
    if shell or env:
        from jobctl.cli import adding_shell

        command = adding_shell.typed(ctx, [name, *(values or [])], env or [], shell=shell)
        adding_shell.refuse_beside(data_file, from_file)
        return adding_shell.add(session(ctx), command, given, until, as_json=json)
    if from_file is not None:
        return adding.add_file(session(ctx), from_file, wanted, until, as_json=json)
    return adding.add_one(session(ctx), wanted, until, as_json=json)
