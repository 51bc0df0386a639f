"""Handlers that print, in every way."""

import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from jobctl import Job, handler

logger = logging.getLogger("shop")


@handler
def every_way(job: Job[Any]) -> None:
    print("printed")
    print("on stderr", file=sys.stderr)
    logger.info("logged %d", 7)
    logger.error("worse\nin two lines")
    subprocess.run(["echo", "from a subprocess"], check=True)
    os.write(1, b"from a descriptor\n")
    libc = ctypes.CDLL(None)
    libc.puts(b"from C")
    libc.fflush(None)
    sys.stdout.buffer.write(b"as bytes\n")
    print("no newline", end="")
    print(" and on", end="")


@handler
async def in_a_loop(job: Job[Any]) -> None:
    print("async", job.data["n"])


@handler
def say(job: Job[Any]) -> None:
    print("said", job.data["n"])
    if job.data["n"] == "hang":
        time.sleep(60)


@handler
def noop(job: Job[Any]) -> None:
    pass


@handler
def dies(job: Job[Any]) -> None:
    for n in range(30):
        print("line", n)
    print("x" * 2000, end="")
    os.kill(os.getpid(), signal.SIGKILL)


@handler
def dies_silently(job: Job[Any]) -> None:
    os._exit(3)


@handler
def quick_then_dies(job: Job[Any]) -> None:
    print("quick", job.data["n"])
    if job.data["n"] == "die":
        os.kill(os.getpid(), signal.SIGKILL)


@handler(max_retries=2)
def fails(job: Job[Any]) -> None:
    print("attempt", job.attempts)
    raise ValueError("no")


@handler
def hangs(job: Job[Any]) -> None:
    print("hanging")
    sys.stdout.flush()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    while True:
        time.sleep(10)


@handler
def floods(job: Job[Any]) -> None:
    print("the beginning")
    block = b"y" * 99 + b"\n"
    for _ in range(200):
        os.write(1, block * 1000)
    if job.data.get("look"):
        deadline = time.monotonic() + 10
        log = Path(".jobctl/logs") / f"{job.id}.log"
        while log.stat().st_blocks * 512 > 400_000 and time.monotonic() < deadline:
            time.sleep(0.02)
        print("blocks", log.stat().st_blocks * 512)
    print("the end")


@handler
def burns(job: Job[Any]) -> None:
    end = time.process_time() + 0.2
    while time.process_time() < end:
        pass
    subprocess.run(
        [sys.executable, "-S", "-c",
         "import time\nwhile time.process_time() < 0.2: pass"], check=True
    )  # fmt: skip
    if job.data.get("die"):
        os.kill(os.getpid(), signal.SIGKILL)


@handler
def breaks_streams(job: Job[Any]) -> None:
    sys.stdout.close()
    sys.stderr = None
    print("still there")


@handler
def closes_all(job: Job[Any]) -> None:
    print("before")
    os.closerange(3, 200)
    for n in range(100):  # whatever number the worker's own had, this file has it now
        fd = os.open(f"precious-{n}", os.O_RDWR | os.O_CREAT)
        os.write(fd, b"p" * 1000)
    print("after")


@handler
def leaves_a_child(job: Job[Any]) -> None:
    print("mother", job.data["n"])
    if job.data.get("child"):
        # It waits for the others, and prints then.
        script = "while [ ! -e go ]; do sleep 0.01; done; echo from the child; touch gone"
        subprocess.Popen(["sh", "-c", script])


@handler
def forks(job: Job[Any]) -> None:
    print("parent")
    if os.fork() == 0:
        print("child")
        return
    os.wait()
    print("parent again")


@handler
def no_newline(job: Job[Any]) -> None:
    for _ in range(64):
        print("z" * 50_000, end="")


@handler
def grows(job: Job[Any]) -> None:
    block = bytearray(job.data["bytes"])
    block[:] = b"1" * len(block)
    del block
    if job.data.get("child"):
        script = "x = b'1' * 120_000_000"
        subprocess.run([sys.executable, "-S", "-c", script], check=True)
    if job.data.get("die"):
        os.kill(os.getpid(), signal.SIGKILL)


def take_over(what: str, path: str) -> int:
    """Close the worker's own descriptor that leads to `what`, and open a file in its place."""
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        if fd > 2 and what in os.readlink(f"/proc/self/fd/{name}"):
            os.close(fd)
            mine = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
            if mine != fd:
                os.dup2(mine, fd)
            return fd
    raise LookupError(what)


taken: list[int] = []


@handler
def takes_over(job: Job[Any]) -> None:
    print("before")
    if job.data.get("what"):
        what = job.id if job.data["what"] == "log" else job.data["what"]
        taken.append(take_over(what, "precious"))
        os.write(taken[-1], b"mine\n")
    if job.data.get("write"):
        os.write(taken[-1], b"still mine\n")
    print("after")
