"""Handlers of the table of misbehaviour. Copied into the folder of a rig as handlers.py."""

from __future__ import annotations

import asyncio
import ctypes
import itertools
import locale
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from jobctl import Job, handler

HERE = Path(__file__).parent


def note(name: str, text: object) -> None:
    """Append a line to a file, in one write."""
    fd = os.open(HERE / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, f"{text}\n".encode())
    os.close(fd)


def begin(job: Job[Any]) -> None:
    """Say that the job runs, and in which process."""
    print(f"{job.name} has begun")
    note(f"began-{job.id}", os.getpid())


def surroundings() -> dict[str, Any]:
    """Return what a job finds around it that another one could have changed."""
    return {
        "pid": os.getpid(),
        "cwd": os.getcwd(),
        "locale": locale.setlocale(locale.LC_ALL),
        "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        "timeouts are heard": callable(signal.getsignal(signal.SIGALRM)),
    }


# -- those who have done nothing ---------------------------------------------------------


@handler("beside")
def beside(job: Job[Any]) -> Any:
    """Run until the file go-ID is there."""
    begin(job)
    while not (HERE / f"go-{job.id}").exists():
        time.sleep(0.01)
    return surroundings()


@handler("after")
def after(job: Job[Any]) -> Any:
    time.sleep(0.01)  # so that nobody takes it for a short one, to be put behind another
    return surroundings()


# -- timeouts ----------------------------------------------------------------------------


@handler("spin")
def spin(job: Job[Any]) -> None:
    begin(job)
    while True:
        pass


@handler("sleep")
def sleep(job: Job[Any]) -> None:
    begin(job)
    time.sleep(60)


@handler("read-socket")
def read_socket(job: Job[Any]) -> None:
    begin(job)
    ours, _theirs = socket.socketpair()
    ours.recv(1)


@handler("async-sleep")
async def async_sleep(job: Job[Any]) -> None:
    begin(job)
    await asyncio.sleep(60)


@handler("regex")
def regex(job: Job[Any]) -> None:
    begin(job)
    re.match(r"(a*)*b", "a" * 64)


# -- those who do not listen -------------------------------------------------------------


def stay() -> None:
    """Do not go, whatever is raised."""
    while True:
        try:
            time.sleep(60)
        except BaseException:  # that is the case
            pass


@handler("swallow")
def swallow(job: Job[Any]) -> None:
    begin(job)
    stay()


@handler("async-swallow")
async def async_swallow(job: Job[Any]) -> None:
    begin(job)
    while True:
        try:
            await asyncio.sleep(60)
        except BaseException:  # that is the case
            pass


@handler("block-signals")
def block_signals(job: Job[Any]) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    begin(job)
    while True:
        time.sleep(60)


@handler("c-loop")
def c_loop(job: Job[Any]) -> None:
    begin(job)
    sum(itertools.repeat(0))


@handler("c-lock")
def c_lock(job: Job[Any]) -> None:
    """Wait in the C library for a lock that nobody will open: no signal ends that."""
    begin(job)
    lock, libc = ctypes.create_string_buffer(64), ctypes.CDLL(None)
    libc.pthread_mutex_lock(lock)
    libc.pthread_mutex_lock(lock)


# -- those who start processes -----------------------------------------------------------


def grow(job: Job[Any]) -> None:
    """Start a child with a child of its own, and one in a session of its own."""
    shell = subprocess.Popen(["sh", "-c", "sleep 300 & echo $!; wait"], stdout=subprocess.PIPE)
    assert shell.stdout is not None
    away = subprocess.Popen(["sleep", "300"], start_new_session=True)
    for pid in (shell.pid, int(shell.stdout.readline()), away.pid):
        note(f"tree-{job.id}", pid)


@handler("tree-swallow")
def tree_swallow(job: Job[Any]) -> None:
    grow(job)
    begin(job)
    stay()


@handler("tree-exit")
def tree_exit(job: Job[Any]) -> None:
    grow(job)
    begin(job)
    os._exit(0)


@handler("fork-returns")
def fork_returns(job: Job[Any]) -> None:
    begin(job)
    pid = os.fork()
    if pid:
        note(f"tree-{job.id}", pid)
        os.waitpid(pid, 0)


@handler("fork-exits")
def fork_exits(job: Job[Any]) -> int:
    begin(job)
    pid = os.fork()
    if pid == 0:
        sys.exit(5)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


# -- those who end their process, or wish to ---------------------------------------------


@handler("segfault")
def segfault(job: Job[Any]) -> None:
    begin(job)
    ctypes.string_at(0)


@handler("segfault-again")
def segfault_again(job: Job[Any]) -> None:
    begin(job)
    ctypes.string_at(0)


@handler("os-exit")
def os_exit(job: Job[Any]) -> None:
    begin(job)
    os._exit(0)


@handler("sys-exit")
def sys_exit(job: Job[Any]) -> None:
    begin(job)
    sys.exit(3)


@handler("kill-me")
def kill_me(job: Job[Any]) -> None:
    begin(job)
    os.kill(os.getpid(), signal.SIGKILL)


@handler("close-all")
def close_all(job: Job[Any]) -> None:
    begin(job)
    os.closerange(0, 1024)


@handler("scribble")
def scribble(job: Job[Any]) -> None:
    begin(job)
    for fd in range(3, 64):
        try:
            os.write(fd, b"not a message")
        except OSError:
            pass
    time.sleep(60)


# -- memory ------------------------------------------------------------------------------


@handler("memory-error")
def memory_error(job: Job[Any]) -> None:
    begin(job)
    bytearray(1 << 62)


@handler("big")
def big(job: Job[Any]) -> int:
    """Use so many MiB, each page of them."""
    begin(job)
    return len(b"x" * (job.data["mib"] << 20))


@handler("hungry")
def hungry(job: Job[Any]) -> None:
    """Take memory until somebody objects."""
    begin(job)
    taken = []
    while True:
        taken.append(b"x" * (4 << 20))


@handler("small")
def small(job: Job[Any]) -> None:
    begin(job)


@handler("crash-small")
def crash_small(job: Job[Any]) -> None:
    begin(job)
    os._exit(1)


@handler("quick")
def quick(job: Job[Any]) -> None:
    """Be done at once, so that the daemon takes the name for a short one; but for once."""
    if job.data.get("crash"):
        begin(job)
        os._exit(1)


# -- those who leave something behind in their process -----------------------------------


@handler("change-place")
def change_place(job: Job[Any]) -> None:
    begin(job)
    os.chdir("/")
    locale.setlocale(locale.LC_ALL, "C.UTF-8")
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGALRM, signal.SIGUSR1))


@handler("remove-place")
def remove_place(job: Job[Any]) -> None:
    begin(job)
    gone = HERE / f"gone-{job.id}"
    gone.mkdir(exist_ok=True)
    os.chdir(gone)
    gone.rmdir()


@handler("print-megabytes")
def print_megabytes(job: Job[Any]) -> None:
    begin(job)
    for _ in range(64):
        sys.stdout.write("x" * (1 << 17))
