"""follow, logs --follow and add --follow: what is printed, and how each ends."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jobctl.core.job import JobError, Options, Outcome
from jobctl.core.store import Seat
from jobctl.services.logfile import header, path_of
from jobctl.services.queue import QueueService
from jobctl.stores.directory.store import DirectoryStore
from tests.cli.conftest import Cli
from tests.helpers import (
    NOON,
    ROOT,
    FakeClock,
    after,
    claim,
    end,
    eventually,
    make_job,
    put,
    there,
)

JOBCTL = [sys.executable, "-m", "jobctl"]
DEAD = Options(max_retries=0)
HANDLERS = """\
import os
from jobctl import handler

@handler("talk", backoff=["50ms"], max_retries=2)
def talk(job):
    print("attempt", job.attempts, flush=True)
    while os.path.exists("wait"):
        pass
    if job.attempts < job.data.get("good", 1):
        raise ValueError("not yet")
"""


def write(store: DirectoryStore, job_id: str, content: bytes) -> None:
    path = path_of(store.files, job_id)
    path.parent.mkdir(exist_ok=True)
    with path.open("ab") as file:
        file.write(content)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], object]]:
    """What happens while the command waits, one thing between each two looks."""
    left: list[Callable[[], object]] = []

    def nap(seconds: float) -> None:
        left.pop(0)()

    monkeypatch.setitem(QueueService.__init__.__kwdefaults__ or {}, "nap", nap)
    return left


@pytest.mark.parametrize(
    ("outcome", "code", "said"),
    [
        (Outcome.COMPLETED, 0, "job a completed (took 2s)"),
        (Outcome.ERROR, 1, "job a failed (took 2s)"),
        (Outcome.CANCELLED, 1, "job a was cancelled (took 2s)"),
    ],
)
@pytest.mark.parametrize("command", [["follow", "a"], ["logs", "a", "-f"]])
def test_the_exit_code_is_how_the_job_ended(
    cli: Cli,
    store: DirectoryStore,
    steps: list[Callable[[], object]],
    command: list[str],
    outcome: Outcome,
    code: int,
    said: str,
) -> None:
    put(store, make_job("a"))
    steps += [
        lambda: claim(store),
        lambda: write(store, "a", header(1, NOON) + b"one\nt"),
        lambda: write(store, "a", b"wo"),
        lambda: end(store, there(store, "a"), outcome, at=after(2), options=DEAD),
    ]
    result = cli(*command)
    assert result.code == code
    assert result.out == "--- attempt 1 at 2026-11-24T12:00:00.000Z ---\none\ntwo\n"
    assert result.err.endswith(f"note: {said}\n")
    assert cli(*command).code == code  # it is over, and printed whole once more


def test_who_waits_is_told_why(cli: Cli, store: DirectoryStore, clock: FakeClock) -> None:
    put(store, make_job("a"), make_job("later", run_at=after(300)), make_job("b", after=("a",)))

    def waits(job_id: str) -> str:
        result = cli("follow", job_id, "--timeout", "0")
        assert (result.code, result.out) == (124, "")
        *first, last = result.err.splitlines()
        assert last == f"note: timed out; job {job_id} is pending and goes on"
        return "".join(first).removeprefix("note: ")

    no_daemon = "No daemon runs. (next: `jobctl run`)"
    assert waits("a") == f"job a waits. {no_daemon}"
    at = "2026-11-24 13:05:00+01:00 (in 5m)"
    assert waits("later") == f"job later waits. It is delayed until {at}. {no_daemon}"
    with store.seat() as seat:
        daemon = threading.Thread(target=lambda: eventually(lambda: listens(seat)))
        daemon.start()
        assert waits("a") == ""
        daemon.join()


def listens(seat: Seat) -> bool:
    """Take a wake-up, as a daemon does; return whether there was one."""
    if select.select([seat.fileno()], [], [], 0)[0]:
        seat.drain()
        return True
    return False


def test_unknown_and_deleted(
    cli: Cli, store: DirectoryStore, steps: list[Callable[[], object]]
) -> None:
    assert cli("follow", "nope").code == 3
    assert cli("logs", "nope", "-f").code == 3
    put(store, make_job("a"))
    write(store, "a", b"old\n")

    def delete() -> None:
        with store.transaction() as tx:
            tx.delete(there(tx, "a"))

    steps.append(delete)
    code, out, err = cli("follow", "a")
    assert (code, out) == (3, "old\n")
    assert err.endswith("jobctl: job a was deleted meanwhile\n")


def test_each_retry_is_said(
    cli: Cli, store: DirectoryStore, steps: list[Callable[[], object]]
) -> None:
    put(store, make_job("a"))
    claim(store)
    boom = JobError("ValueError", "boom \x1b[2J")

    def fail() -> None:
        end(store, there(store, "a"), Outcome.ERROR, at=NOON, error=boom)

    def again() -> None:
        claim(store, now=after(99))

    def fail_and_run_again() -> None:
        fail()
        again()

    steps += [fail, again, fail_and_run_again, lambda: end(store, there(store, "a"))]
    code, out, err = cli("follow", "a")
    assert (code, out) == (0, "")
    first, second, last = err.splitlines()
    assert first.startswith("note: job a waits. Attempt 1 of 4 ended with error")
    assert "(ValueError: boom \\x1b[2J): it is tried again at" in first
    assert second == "note: job a runs again: ValueError: boom \\x1b[2J"
    assert last == "note: job a completed (took <1ms)"


def test_json_is_a_line_an_object_and_then_the_record(cli: Cli, store: DirectoryStore) -> None:
    put(store, make_job("a"))
    end(store, claim(store)[0])
    write(store, "a", b"one\n\x1b[31m\xff")
    first, second, last = map(json.loads, cli("follow", "a", "--json").out.splitlines())
    assert (first, second) == ({"line": "one"}, {"line": "\x1b[31m\ufffd"})
    assert (last["job"]["id"], last["job"]["status"]) == ("a", "completed")


def test_what_could_steer_a_terminal_is_text_in_a_pipe_too(
    cli: Cli, store: DirectoryStore
) -> None:
    put(store, make_job("a"))
    end(store, claim(store)[0])
    write(store, "a", b"\x1b]0;x\x07\tb\r\n[/] \xe2\x80\xae\xc2\x9b\r")
    assert cli("follow", "a").out == "\\x1b]0;x\\x07    b\n[/] \\u202e\\x9b\n"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["logs", "a", "-f", "--attempt", "1"], "--follow and --attempt do not go together"),
        (["logs", "a", "--raw", "--json"], "--raw and --json exclude each other"),
        (["follow", "a", "--timeout", "x"], "--timeout: 'x' is not a duration"),
        (["add", "--from", "x", "--follow"], "--from and --follow do not go together"),
    ],
)
def test_refused(cli: Cli, store: DirectoryStore, arguments: list[str], why: str) -> None:
    put(store, make_job("a"))
    result = cli(*arguments)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"jobctl: {why}")


def test_raw_is_not_for_terminals(cli: Cli, store: DirectoryStore) -> None:
    put(store, make_job("a"))
    cli.on_terminal()
    assert cli("follow", "a", "--raw").code == 2
    assert cli("logs", "a", "--raw").code == 2


# -- programs of their own -----------------------------------------------------------------


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The source tree is importable, and there are handlers."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    (tmp_path / "handlers.py").write_text(HANDLERS)
    (tmp_path / "jobs.toml").write_text('[run]\nhandlers = ["handlers"]\n')


@contextmanager
def start(*args: str, **options: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run jobctl; it is killed if the test leaves it running."""
    out, err = (options.get(name, subprocess.PIPE) for name in ("stdout", "stderr"))
    with subprocess.Popen([*JOBCTL, *args], stdout=out, stderr=err) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


@pytest.mark.usefixtures("real")
def test_a_job_is_followed_through_its_retries(store: DirectoryStore) -> None:
    with start("add", "talk", "good:=3", "--follow") as following:
        assert following.stdout is not None
        assert following.stderr is not None
        job_id = following.stdout.readline().decode().strip()
        assert b"No daemon runs." in following.stderr.readline()
        with start("run") as daemon:
            out, err = following.communicate(timeout=60)
            assert following.returncode == 0
            daemon.terminate()
            daemon.communicate(timeout=60)
    lines, words = out.decode().splitlines(), err.decode()
    assert [line.split(" ", 2)[-1] for line in lines if not line.startswith("---")] == [
        "attempt 1", "attempt 2", "attempt 3",
    ]  # fmt: skip
    assert [line.split(" at ")[0] for line in lines if line.startswith("---")] == [
        "--- attempt 1", "--- attempt 2", "--- attempt 3",
    ]  # fmt: skip
    assert f"note: job {job_id} completed" in words


@pytest.mark.usefixtures("real")
def test_raw_bytes_go_into_a_pipe(store: DirectoryStore) -> None:
    put(store, make_job("a"))
    end(store, claim(store)[0])
    write(store, "a", b"\x1b[31m\xff\t\r\n\x00")
    with start("follow", "a", "--raw") as following:
        assert following.communicate(timeout=60)[0] == b"\x1b[31m\xff\t\r\n\x00"


@pytest.mark.usefixtures("real")
def test_ctrl_c_ends_the_command_and_not_the_job(store: DirectoryStore, tmp_path: Path) -> None:
    (tmp_path / "wait").touch()
    put(store, make_job("a", name="talk"))
    parent, child = pty.openpty()
    with start("run", "--burst") as daemon:
        with start("follow", "a", stdout=child, stderr=child) as following:
            os.close(child)
            shown = read_until(parent, b"attempt 1\r\n")
            following.send_signal(signal.SIGINT)
            assert following.wait(30) == 130
            shown += read_until(parent, b"follow a`")
            assert b"note: job a goes on; `jobctl follow a`" in shown
        assert there(store, "a").status == "running"
        (tmp_path / "wait").unlink()
        daemon.communicate(timeout=60)
    os.close(parent)
    assert there(store, "a").status == "completed"


def read_until(fd: int, wanted: bytes) -> bytes:
    """Return what a terminal shows, up to some text that must come."""
    shown = b""
    while wanted not in shown:
        assert select.select([fd], [], [], 30)[0], shown
        shown += os.read(fd, 65536)
    return shown
