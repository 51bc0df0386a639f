"""Handlers that misbehave in every way. Copied into the folder of a rig as handlers.py."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobctl import Fail, Job, Retry, Snooze, handler

HERE = Path(__file__).parent


def note(name: str, text: object) -> None:
    """Append a line to a file, in one write."""
    fd = os.open(HERE / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, f"{text}\n".encode())
    os.close(fd)


@handler("echo")
def echo(job: Job[Any]) -> Any:
    return {"data": job.data, "attempts": job.attempts, "pid": os.getpid()}


@handler("async-echo")
async def async_echo(job: Job[Any]) -> Any:
    await asyncio.sleep(0)
    return {"data": job.data}


@handler("hidden-async")
def hidden_async(job: Job[Any]) -> Any:
    return async_echo(job)


@handler("flaky", max_retries=5)
def flaky(job: Job[Any]) -> int:
    if job.attempts < 3:
        raise ConnectionError(f"no luck in attempt {job.attempts}")
    return job.attempts


@handler("again")
def again(job: Job[Any]) -> None:
    raise Retry("later", after=0.01)


@handler("fail", max_retries=5)
def fail(job: Job[Any]) -> None:
    raise Fail("never mind")


@handler("snooze")
def snooze(job: Job[Any]) -> int:
    note("snoozed", job.attempts)
    if len((HERE / "snoozed").read_text().split()) < 3:
        raise Snooze(0.01)
    return job.attempts


@dataclass
class Person:
    name: str
    age: int


@handler("typed", max_retries=5)
def typed(data: Person) -> str:
    return data.name


@handler("sleep")
def sleep(job: Job[Any]) -> None:
    note(f"began-{job.id}", os.getpid())
    time.sleep(job.data["seconds"])


@handler("async-sleep")
async def async_sleep(job: Job[Any]) -> None:
    note(f"began-{job.id}", os.getpid())
    await asyncio.sleep(job.data["seconds"])


@handler("swallow")
def swallow(job: Job[Any]) -> None:
    note(f"began-{job.id}", os.getpid())
    while True:
        try:
            time.sleep(60)
        except BaseException:  # that is the case
            pass


@handler("os-exit")
def os_exit(job: Job[Any]) -> None:
    os._exit(job.data["code"])


@handler("tree")
def tree(job: Job[Any]) -> None:
    """Start a child with a child of its own, in a session of its own."""
    shell = subprocess.Popen(["sh", "-c", "sleep 300 & echo $!; wait"], stdout=subprocess.PIPE)
    assert shell.stdout is not None
    note("tree", shell.pid)
    note("tree", int(shell.stdout.readline()))
    away = subprocess.Popen(["sleep", "300"], start_new_session=True)
    note("tree", away.pid)
    note(f"began-{job.id}", os.getpid())
    time.sleep(60)


@handler("fork-outlives")
def fork_outlives(job: Job[Any]) -> None:
    pid = os.fork()
    if pid == 0:
        os.execvp("sleep", ["sleep", "300"])
    note("outlived", pid)


@handler("print")
def prints(job: Job[Any]) -> None:
    print("printed by a handler")
    print("\x1b[31mred", file=sys.stderr)


@handler("replace-stdout")
def replace_stdout(job: Job[Any]) -> None:
    sys.stdout.close()


@handler("big")
def big(job: Job[Any]) -> Any:
    return job.data


@handler("too-big")
def too_big(job: Job[Any]) -> str:
    return "x" * (2 << 20)


@handler("deep")
def deep(job: Job[Any]) -> Any:
    value: Any = 1
    for _ in range(500):
        value = [value]
    return value


@handler("not-json")
def not_json(job: Job[Any]) -> Any:
    return object()


@handler("span")
def span(job: Job[Any]) -> None:
    start = time.monotonic()
    time.sleep(0.05)
    note("spans", f"{start} {time.monotonic()}")


@handler("maybe-short")
def maybe_short(job: Job[Any]) -> int:
    note(f"began-{job.id}", os.getpid())
    time.sleep(job.data["seconds"])
    return os.getpid()
