"""jobctl init: a jobs.toml and a handlers.py to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from jobctl.cli import render
from jobctl.errors import Conflict

EXAMPLE = "jobctl init my-project"

CONFIG = """\
# jobctl's configuration. `jobctl config check` says what is wrong with it.
# The jobs are kept in .jobctl/ beside this file.

[run]
handlers = ["handlers"]         # modules with handlers: here, handlers.py beside this file
concurrency = 4                 # how many jobs run at once
timeout = "5m"                  # how long one may take
max_retries = 3                 # how often one that fails runs again

[retention]                     # `jobctl cleanup` deletes finished jobs that are older
completed = "7d"
failed = "30d"
cancelled = "30d"

[redact]                        # keys of job data whose values are never shown
keys = ["password", "token", "secret"]
"""

HANDLERS = '''\
"""The handlers: one function for each name of a job."""

from jobctl import Job, handler


@handler("hello")
def hello(job: Job) -> str:
    """Run by `jobctl add hello name=you`; what it returns is kept as the job's result."""
    greeting = f"Hello, {job.data.get('name', 'world')}!"
    print(greeting)
    return greeting
'''


def command(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", show_default=False)] = Path(),
) -> None:
    """Write a jobs.toml and a handlers.py that work at once. Overwrites nothing."""
    files = {folder / "jobs.toml": CONFIG, folder / "handlers.py": HANDLERS}
    for path in files:
        if path.exists() or path.is_symlink():
            raise Conflict(f"{path} is there already: nothing was written")
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in files.items():
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    render.lines(str(path) for path in files)
    where = "" if folder == Path() else f"cd {folder}; "
    render.note(f"next: {where}jobctl add hello name=you; jobctl run --burst; jobctl list")
