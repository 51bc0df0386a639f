"""Each command's help: an example that works as it stands, and lines that are whole."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from jobctl.cli import tree

#: What the examples take for granted: someone has used jobctl in this folder.
BEFORE = """
jobctl init
jobctl add hello name=you --id welcome-42
jobctl add hello name=you --id report-8
jobctl add hello name=you --id report-9
jobctl add hello name=you --id report-7
jobctl cancel report-7
jobctl schedule add backup "0 3 * * *" hello
jobctl run --burst
jobctl add hello name=you --id report-8 --if-exists replace
jobctl pause hello
"""
#: Says that all is not well, as it should: no daemon runs.
SICK = {"jobctl health --json": 1}


def commands() -> Iterator[tuple[str, Any]]:
    root: Any = typer.main.get_command(tree.app)
    ctx = root.make_context("jobctl", [], resilient_parsing=True)
    yield "jobctl", root
    for name in tree.COMMANDS:
        command = root.get_command(ctx, name)
        yield f"jobctl {name}", command
        if hasattr(command, "list_commands"):
            for sub in command.list_commands(ctx):
                yield f"jobctl {name} {sub}", command.get_command(ctx, sub)


ALL = dict(commands())
LEAVES = {path: one for path, one in ALL.items() if not hasattr(one, "commands")}


def bash(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    home = {**os.environ, "XDG_CONFIG_HOME": str(folder / "config"), "COLUMNS": "80"}
    return subprocess.run(
        ["bash", "-ec", line], cwd=folder, env=home, capture_output=True, text=True, check=False
    )


def helped(path: str) -> str:
    command = ALL[path]
    ctx = command.make_context(path, [], resilient_parsing=True, max_content_width=80)
    return str(command.get_help(ctx))


def examples(path: str) -> list[str]:
    return re.findall(r"Example: (.*)", helped(path))


@pytest.mark.parametrize("path", LEAVES)
def test_a_command_has_one_example_of_itself(path: str) -> None:
    (line,) = examples(path)
    assert line.startswith(f"{path} ") or line == path


def test_examples_work_as_they_stand(folder: Path) -> None:
    made = bash(BEFORE, folder)
    assert made.returncode == 0, made.stderr
    # As the help lists them; those that end something come after those that need it.
    last = [path for path in LEAVES if path.split()[-1] in ("delete", "remove", "run")]
    for path in [*(one for one in LEAVES if one not in last), *last]:
        (line,) = examples(path)
        done = bash(line, folder)
        assert done.returncode == SICK.get(line, 0), f"{line}\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("path", ALL)
def test_help_is_whole(path: str) -> None:
    text = helped(path)
    assert max(map(len, text.splitlines())) <= 80
    # Neither a summary that is cut, nor the name of a Python type.
    assert not re.search(r"\w \w+\.\.\.$|list\[|<str>|<int", text, re.MULTILINE), text
