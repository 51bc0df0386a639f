"""Twelve tasks for somebody who sees jobctl for the first time and has only its help.

They were written down before the commands were finished. Each is what is to be done, and the
lines that do it. A line may use what `jobctl --help` and `jobctl COMMAND --help` tell of, and
nothing else: that is tested as well.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest


class Task(NamedTuple):
    """What is to be done, the lines that do it, and what is seen then."""

    what: str
    lines: list[str]
    seen: list[str]
    #: Words of the help that lead there.
    hints: list[str]


#: What is there when a task begins.
BEFORE = """
jobctl init
cat >> handlers.py <<'END'


@handler("charge")
def charge(job: Job) -> None:
    if job.data["amount"] == 13:
        raise ValueError("card declined")
END
"""

TASKS = [
    Task(
        "Start from nothing: a project that works, a first job, its result.",
        [
            "jobctl init shop",
            "cd shop; jobctl add hello name=Ann",
            "cd shop; jobctl run --burst",
            "cd shop; jobctl list",
        ],
        ["completed"],
        ["Write a jobs.toml and a handlers.py that work at once", "Add a job", "Run jobs"],
    ),
    Task(
        "Find out why this job failed, and run it again.",
        [
            "jobctl add charge amount:=13 --id order-1 --max-retries 0",
            "jobctl run --burst",
            "jobctl list --status failed",
            "jobctl explain order-1",
            "jobctl retry order-1",
            "jobctl list --status pending",
        ],
        ["ValueError: card declined", "jobctl retry order-1", "pending"],
        ["Say why a job does not run", "Make failed or cancelled jobs pending again"],
    ),
    Task(
        "Have a job run in five minutes, and another one on New Year's Eve; call one off.",
        [
            "jobctl add hello name=Ann --delay 5m --id soon",
            "jobctl add hello name=Bob --at 2099-12-31T23:59 --id late",
            "jobctl cancel soon",
            "jobctl list --json",
        ],
        ['"cancelled"', '"run_at": "2099-12-31T23:59:00Z"'],
        ["Run after: 5m", "Run at: 2026-12-31T23:59", "Cancel pending jobs"],
    ),
    Task(
        "Run a command as a job, and read what it printed.",
        [
            "jobctl add --shell --id copy -- echo all copied",
            "jobctl run --burst",
            "jobctl logs copy",
        ],
        ["all copied"],
        ["Run a command", "Show what a job has printed and logged"],
    ),
    Task(
        "Put one job ahead of those that wait.",
        [
            "jobctl add hello name=first --id first",
            "jobctl add hello name=urgent --id urgent --priority 10",
            "jobctl run --burst --concurrency 1",
        ],
        ["urgent"],
        ["Higher runs first"],
    ),
    Task(
        "See how much is waiting and what is running now.",
        ["jobctl add hello name=Ann", "jobctl stats", "jobctl list status:running"],
        ["pending"],
        ["Count the jobs by status"],
    ),
    Task(
        "Stop everything while a bug is mended, then go on.",
        [
            "jobctl add hello name=Ann --id waits",
            "jobctl pause",
            "jobctl run --burst",
            "jobctl explain waits",
            "jobctl resume",
            "jobctl run --burst",
            "jobctl show waits",
        ],
        ["All jobs are paused since", "completed"],
        ["Start no more jobs of a name, or none at all", "End the pause"],
    ),
    Task(
        "Find out why this job does not run.",
        ["jobctl run --burst", "jobctl add helo name=Ann --id typo", "jobctl explain typo"],
        ["No daemon runs", "no handler called helo", "hello"],
        ["Say why a job does not run"],
    ),
    Task(
        "Throw away all failed jobs of one name; look first which they are.",
        [
            "jobctl add charge amount:=13 --id order-1 --max-retries 0",
            "jobctl add charge amount:=13 --id order-2 --max-retries 0",
            "jobctl add charge amount:=12 --id order-3",
            "jobctl run --burst",
            "jobctl delete status:failed name:charge --dry-run",
            "jobctl delete status:failed name:charge --yes",
            "jobctl list -q",
        ],
        ["2 jobs would be deleted", "order-3"],
        ["Delete jobs", "Only show what would be done", "Do not ask"],
    ),
    Task(
        "Run something every night at three in New York, and see when that will be.",
        [
            'jobctl schedule add backup "0 3 * * *" hello --timezone America/New_York',
            "jobctl schedule next backup -n 3",
            "jobctl schedule list",
        ],
        ["03:00:00", "America/New_York"],
        ["List, show, add and switch what runs by the clock", "Show the ticks to come"],
    ),
    Task(
        "In a script, add a job, wait for it, and go on only if it completed.",
        [
            "jobctl run & trap 'kill %1; wait %1' EXIT; "
            "jobctl add hello name=Ann --wait --wait-timeout 30s && echo went on",
        ],
        ["went on"],
        ["Wait until it has ended"],
    ),
    Task(
        "Add a thousand jobs from a file, each once, even if that is done twice.",
        [
            'seq 1000 | jq -c \'{name: "hello", id: "user-\\(.)"}\' > jobs.jsonl',
            "jobctl add --from jobs.jsonl | tail -1",
            "jobctl add --from jobs.jsonl | tail -1",
            "jobctl stats --json",
        ],
        ['"total": 1000'],
        ["A job a line, as JSON"],
    ),
]


def bash(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "XDG_CONFIG_HOME": str(folder / "config"), "COLUMNS": "80"}
    return subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def calls(line: str) -> list[list[str]]:
    """Return the words of each call of jobctl in a line."""
    tokens = shlex.split(line.replace(";", " ; "), posix=True)
    found: list[list[str]] = []
    for n, token in enumerate(tokens):
        if token == "jobctl":
            rest = tokens[n + 1 :]
            ends = [i for i, one in enumerate(rest) if one in (";", "|", "&", "&&", "--")]
            found.append(rest[: min(ends, default=len(rest))])
    return found


def test_there_are_twelve() -> None:
    assert len(TASKS) == 12


@pytest.mark.parametrize("task", TASKS, ids=[task.what for task in TASKS])
def test_first_use(task: Task, folder: Path) -> None:
    assert bash(BEFORE, folder).returncode == 0
    came, help_read = "", bash("jobctl --help", folder).stdout
    for line in task.lines:
        for words in calls(line):
            # Which commands there are is read in the help; what they take, in theirs.
            command = words[: 2 if words[0] == "schedule" else 1]
            for depth in range(len(command)):
                shown = bash(f"jobctl {' '.join(command[:depth])} --help", folder).stdout
                assert re.search(rf"^  {command[depth]} ", shown, re.MULTILINE), command
                help_read += shown
            own = bash(f"jobctl {' '.join(command)} --help", folder).stdout
            help_read += own
            for word in words[len(command) :]:
                if word.startswith("-"):
                    assert re.search(rf"(^|[ ,]){word}\b", own, re.MULTILINE), word
        done = bash(line, folder)
        assert done.returncode == 0, f"{line}\n{done.stdout}"
        came += done.stdout
    for text in task.seen:
        assert text in came
    told = " ".join(help_read.split())
    for hint in task.hints:
        assert hint in told, hint
