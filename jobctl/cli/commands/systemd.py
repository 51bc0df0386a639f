"""jobctl systemd: a unit that has systemd run the daemon."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from jobctl.cli import render
from jobctl.cli.options import Session, session
from jobctl.cli.quick import QuickCommand, example, group, require_command

app = group()

User = Annotated[bool, typer.Option("--user", help="For your own systemd, not the machine's.")]
Name = Annotated[str, typer.Option(metavar="NAME", help="What the unit is called.")]
WritePath = Annotated[
    list[str] | None,
    typer.Option(metavar="DIR", help="A folder that handlers write to. Repeatable."),
]
RunAs = Annotated[
    str | None,
    typer.Option(metavar="USER", help="Whose the daemon is; by default the store's owner."),
]


@app.callback()
def systemd(ctx: typer.Context) -> None:
    """Have systemd run the daemon: print or install its unit."""
    require_command(ctx)


@app.command("print", cls=QuickCommand, epilog=example("jobctl systemd print --user"))
def print_(
    ctx: typer.Context,
    user: User = False,
    name: Name = "jobctl",
    write_path: WritePath = None,
    run_as: RunAs = None,
) -> None:
    """Print the unit."""
    render.block(_unit(session(ctx), user, name, write_path, run_as))


@app.command(cls=QuickCommand, epilog=example("jobctl systemd install --user"))
def install(
    ctx: typer.Context,
    user: User = False,
    name: Name = "jobctl",
    write_path: WritePath = None,
    run_as: RunAs = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a unit that is not as we wrote it.")
    ] = False,
) -> None:
    """Write the unit to where systemd looks for it."""
    from jobctl import bootstrap

    text = _unit(session(ctx), user, name, write_path, run_as)
    path = bootstrap.install_unit(text, name=name, user=user, force=force)
    render.lines([str(path)])
    systemctl = "systemctl --user" if user else "systemctl"
    then = f"{systemctl} daemon-reload; {systemctl} enable --now {name}; jobctl health"
    render.note(f"next: {then}")
    if user:
        render.note("so that it runs while you are logged out: loginctl enable-linger")


def _unit(
    here: Session, user: bool, name: str, write_path: list[str] | None, run_as: str | None
) -> str:
    from jobctl import bootstrap

    for folder in write_path or ():
        if not Path(folder).is_dir():
            render.note(f"{folder} is no folder yet: make it before the unit is started")
    return bootstrap.systemd_unit(
        here.config,
        store_flag=here.store_flag,
        user=user,
        name=name,
        write_paths=write_path or (),
        run_as=run_as,
    )
