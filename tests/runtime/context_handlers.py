"""Handlers that say how far they have come, and that see that they were cancelled."""

import asyncio
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

from jobctl import Job, handler


def wait_for(name: str) -> None:
    deadline = time.monotonic() + 20
    while not Path(name).exists() and time.monotonic() < deadline:
        time.sleep(0.005)


@handler
def steps(job: Job[Any]) -> None:
    for n in range(1, 4):
        job.progress(n, 3, f"step {n}")
        wait_for(f"step-{n}")


@handler
async def async_steps(job: Job[Any]) -> None:
    job.progress(0.5)
    while not Path("go").exists():
        await asyncio.sleep(0.005)
    job.log("half way")


@handler
def dies_half_way(job: Job[Any]) -> None:
    job.progress(7, 9)
    os.kill(os.getpid(), signal.SIGKILL)


@handler
def goes_on(job: Job[Any]) -> None:
    job.progress(1, 9)
    Path(f"began-{job.id}").touch()
    time.sleep(60)


@handler
def polls(job: Job[Any]) -> None:
    """Blocks the signal, so that no exception comes; ends when it sees the cancel."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    early = job.cancelled
    Path(f"began-{job.id}").touch()
    deadline = time.monotonic() + 20
    while not job.cancelled and time.monotonic() < deadline:
        time.sleep(0.005)
    job.log(f"{early} {job.cancelled}")
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # drops the one that waits
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})
    os._exit(0)  # this worker's signals are not what they were


@handler
def in_a_thread(job: Job[int]) -> None:
    def work() -> None:
        job.progress(job.data)
        job.log(f"thread {job.data}")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


@handler
def swallows(job: Job[Any]) -> str:
    Path(f"began-{job.id}").touch()
    try:
        time.sleep(60)
    except BaseException:
        return f"cancelled: {job.cancelled}"
    return "not cancelled"
