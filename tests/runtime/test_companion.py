"""`jobctl run --dashboard`: it is there with the daemon, ends with it, and cannot harm it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers import eventually
from tests.runtime.rig import Rig, alive

HANDLERS = """
from jobctl import handler

@handler("quick")
def quick():
    return 1
"""
CONFIG = '[run]\nhandlers = ["handlers"]\n[dashboard]\nport = 0\n'


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A folder with a handler, whose dashboard takes any port."""
    tmp_path.chmod(0o755)
    made = Rig(tmp_path / "rig", HANDLERS, CONFIG)
    yield made
    made.close()


def companion(rig: Rig, daemon: int, *, beside: int = 0) -> int:
    """Return the pid of the daemon's dashboard, once it serves; another one than `beside`."""

    def find() -> int:
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != beside:
                try:
                    command = (entry / "cmdline").read_bytes().split(b"\0")
                    parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
                except OSError:
                    continue
                if b"dashboard" in command and int(parent) == daemon:
                    return int(entry.name)
        return 0

    pid = eventually(find, 20)
    count = 2 if beside else 1
    eventually(lambda: rig.log().count("the dashboard is at http://127.0.0.1:") >= count, 20)
    return pid


def test_it_ends_with_the_daemon(rig: Rig) -> None:
    daemon = rig.start("--dashboard")
    pid = companion(rig, daemon.pid)
    assert rig.stop(daemon) == 0
    assert not alive(pid)
    token = (rig.folder / ".jobctl/token").read_text().strip()
    assert token not in rig.log()


def test_it_ends_with_a_daemon_that_is_killed(rig: Rig) -> None:
    daemon = rig.start("--dashboard")
    pid = companion(rig, daemon.pid)
    rig.kill(daemon)
    eventually(lambda: not alive(pid))


def test_its_death_does_not_hurt_the_daemon_and_it_comes_again(rig: Rig) -> None:
    daemon = rig.start("--dashboard")
    pid = companion(rig, daemon.pid)
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: "the dashboard ended by signal 9; jobs go on" in rig.log())
    assert rig.ended(rig.queue.add("quick")).result == 1
    again = companion(rig, daemon.pid, beside=pid)
    assert alive(again)
    assert rig.stop(daemon) == 0
    assert not alive(again)


def test_one_that_cannot_be_started_does_not_hurt_either(rig: Rig) -> None:
    (rig.folder / "jobs.toml").write_text(CONFIG.replace("port = 0", 'host = "0.0.0.0"'))
    daemon = rig.start("--dashboard")
    eventually(lambda: "the dashboard ended with exit code 2" in rig.log(), 20)
    assert "reverse proxy" in rig.log()
    assert rig.ended(rig.queue.add("quick")).result == 1
    assert rig.stop(daemon) == 0


def test_without_the_flag_there_is_none(rig: Rig) -> None:
    rig.queue.add("quick")
    assert rig.run("--burst") == 0
    assert "dashboard" not in rig.log()
    assert not (rig.folder / ".jobctl/token").exists()


def test_it_ends_with_a_burst(rig: Rig) -> None:
    rig.queue.add("quick")
    assert rig.run("--burst", "--dashboard") == 0
