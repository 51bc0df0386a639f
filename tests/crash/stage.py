"""A process with everything imported that forks another for each time a scenario is played.

To start Python takes ten times as long as all that a scenario does. Whoever has a stage
(see playing.py) sends requests to its stdin, and reads answers from its stdout.
"""

from __future__ import annotations

import errno
import gc
import importlib
import os
import pkgutil
import resource
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NoReturn

import msgspec

import jobctl.stores.directory
from jobctl.errors import StoreError
from jobctl.stores.directory import journal
from jobctl.stores.directory.store import DirectoryStore
from tests.crash.stepping import State, all_mutants, check, state
from tests.crash.store_steps import chosen, settle_in
from tests.helpers import make_job, put


class Torn(msgspec.Struct, frozen=True):
    """The nth write of a process writes only its first bytes.

    `then` it is killed (`kill`), the next one fails (`fail`, for lack of room), or all is
    well (`go on`).
    """

    nth: int
    length: int
    then: Literal["kill", "fail", "go on"]


class Play(msgspec.Struct, frozen=True, tag=True):
    """A scenario, or a command line, to be played on a store, and what shall go wrong.

    `strace` are arguments for it, with which it leaves its trace in `log`; no file may have
    more than `fsize` bytes.
    """

    path: str
    scenario: str
    mutant: str = ""
    strace: list[str] | None = None
    log: str = ""
    fsize: int | None = None
    torn: Torn | None = None
    argv: list[str] | None = None


class Played(msgspec.Struct):
    """What came of it. `error` is the exception's type, its bases, and its message.

    `seen` is what the process itself saw in the store after an error. A command leaves an
    exit code and what it printed.
    """

    acknowledged: int = 0
    killed: bool = False
    error: list[str] | None = None
    seen: State | None = None
    again: str | None = None  # what was said to one more add, nothing if it succeeded
    code: int | None = None
    out: str = ""
    err: str = ""


class Check(msgspec.Struct, frozen=True, tag=True):
    """See that a store is as one of these, in a process of its own."""

    path: str
    scenario: str
    allowed: list[State]
    mutant: str = ""


class Checked(msgspec.Struct):
    """What is wrong, or None."""

    wrong: str | None = None


Say = Callable[[dict[str, object]], object]


def act(play: Play, say: Say) -> None:
    """Play a scenario in this process."""
    known = set(sys.modules)
    _prepare(play.scenario, play.mutant)
    if play.torn is not None:
        _tear(play.torn)
    if play.strace is not None:
        os.kill(os.getpid(), signal.SIGSTOP)
    if play.fsize is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (play.fsize, resource.RLIM_INFINITY))
    if play.argv is not None:
        _command(play.argv, say)
    else:
        _scenario(play, say)
    # So that the next ones find them there.
    say({"modules": [name for name in sys.modules if name not in known]})


def _scenario(play: Play, say: Say) -> None:
    store = None
    done = 0
    try:
        store = DirectoryStore(Path(play.path))
        for _ in chosen(play.scenario).steps(store):
            done += 1
            say({"acknowledged": done})
    except Exception as err:
        kinds = [kind.__name__ for kind in type(err).__mro__]
        say({"error": [*kinds, "".join(traceback.format_exception(err))]})
        if store is not None:
            say({"seen": state(store)})
            _go_on(store, say)


def _go_on(store: DirectoryStore, say: Say) -> None:
    """Add one more job after an error: that succeeds, or there is an error that stays."""
    try:
        put(store, make_job("again"))
    except StoreError as err:
        say({"again": str(err)})
    else:
        say({"again": ""})


def _prepare(scenario: str, mutant: str) -> None:
    settle_in(scenario)
    # How often a folder is looked at must not depend on how fast this machine is.
    vars(journal)["TICKS"] = 1 << 62
    if mutant:
        all_mutants()[mutant]()


def _tear(torn: Torn) -> None:
    real = os.write
    count = 0

    def write(fd: int, data: bytes | memoryview) -> int:
        nonlocal count
        count += 1
        if count == torn.nth + 1 and torn.then == "fail":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if count != torn.nth:
            return real(fd, data)
        done = real(fd, bytes(data)[: torn.length])
        if torn.then == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    vars(os)["write"] = write


def _command(argv: list[str], say: Say) -> None:
    from jobctl.cli.app import main

    code = main(argv)
    sys.stdout.flush()
    sys.stderr.flush()
    say({"code": code, "acknowledged": int(code == 0)})


def play(request: Play) -> Played:
    """Have a child play it."""
    ours, theirs = socket.socketpair()
    outputs = [os.memfd_create("out"), os.memfd_create("err")] if request.argv else []
    pid = os.fork()
    if not pid:
        for number, fd in enumerate(outputs, start=1):
            os.dup2(fd, number)
        _leave(lambda: act(request, lambda said: _send(theirs, said)))
    theirs.close()
    tracer = None
    if request.strace is not None:
        os.waitpid(pid, os.WUNTRACED)
        tracer = _attach(pid, request)
        os.kill(pid, signal.SIGCONT)
    result: dict[str, object] = {}
    with ours, ours.makefile("rb") as lines:
        for line in lines:
            result.update(msgspec.json.decode(line))
    _, status = os.waitpid(pid, 0)
    if tracer is not None:
        tracer.communicate()
    for module in msgspec.convert(result.get("modules", []), list[str]):
        importlib.import_module(module)
    for name, fd in zip(("out", "err"), outputs, strict=False):
        os.lseek(fd, 0, os.SEEK_SET)
        result[name] = os.read(fd, 1 << 20).decode()
        os.close(fd)
    result["killed"] = os.WIFSIGNALED(status)
    return msgspec.convert(result, Played)


def _attach(pid: int, request: Play) -> subprocess.Popen[bytes]:
    assert request.strace is not None
    command = ["strace", "-y", "-o", request.log, *request.strace, "-p", str(pid)]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE)
    assert tracer.stderr is not None
    said = tracer.stderr.readline()
    assert b"attached" in said, said
    return tracer


def look(request: Check) -> Checked:
    """Have a child look at a store."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if not pid:

        def work() -> None:
            _prepare(request.scenario, request.mutant)
            try:
                check(Path(request.path), request.allowed, "")
            except Exception as err:
                _send(theirs, {"wrong": "".join(traceback.format_exception(err))})

        _leave(work)
    theirs.close()
    result = Checked()
    with ours, ours.makefile("rb") as lines:
        for line in lines:
            result = msgspec.json.decode(line, type=Checked)
    _, status = os.waitpid(pid, 0)
    assert status == 0, f"the check itself failed: {status}"
    return result


def _send(to: socket.socket, said: dict[str, object]) -> None:
    # Not a write(2), which a fault could strike.
    to.sendall(msgspec.json.encode(said) + b"\n")


def _leave(work: Callable[[], object]) -> NoReturn:
    code = 1
    try:
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


def main() -> None:
    for module in pkgutil.iter_modules(jobctl.stores.directory.__path__):
        importlib.import_module(f"jobctl.stores.directory.{module.name}")
    for name in ("ctypes", "jobctl.cli.app", "jobctl.cli.tree", "typer.main"):
        importlib.import_module(name)
    # Nothing of this is garbage, and to look for it would give each child a copy of its own.
    gc.disable()
    for line in sys.stdin.buffer:
        gc.freeze()
        request = msgspec.json.decode(line, type=Play | Check)
        answer = play(request) if isinstance(request, Play) else look(request)
        sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
