"""What the service manager is told, and what the journal gets."""

from __future__ import annotations

import io
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TextIO

import pytest

from jobctl.runtime.log import Log, is_journal
from jobctl.runtime.systemd import Manager, watchdog
from tests.helpers import FakeClock

ME = str(os.getpid())


class Listener:
    """The manager's end of the socket."""

    def __init__(self, address: str) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(address)
        self.sock.setblocking(False)

    def heard(self) -> list[str]:
        """Return the datagrams that have come."""
        found = []
        try:
            while True:
                found.append(self.sock.recv(4096).decode())
        except BlockingIOError:
            return found


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    """A manager that listens at tmp_path/notify."""
    made = Listener(str(tmp_path / "notify"))
    yield made
    made.sock.close()


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """What that manager sets, with a watchdog of three seconds."""
    return {
        "NOTIFY_SOCKET": str(tmp_path / "notify"),
        "WATCHDOG_USEC": "3000000",
        "WATCHDOG_PID": ME,
    }


def test_nobody_asks() -> None:
    manager = Manager({"WATCHDOG_USEC": "3000000"})
    manager.ready()
    assert manager.tick(0.0, lambda: pytest.fail("the status was made for nobody")) is None


def test_nobody_listens(environ: dict[str, str]) -> None:
    manager = Manager(environ)
    manager.ready()
    assert manager.tick(100.0, lambda: "idle") == 1.0


def test_states(listener: Listener, environ: dict[str, str]) -> None:
    manager = Manager(environ)
    manager.ready()
    manager.reloading(12.5)
    manager.ready()
    manager.stopping()
    assert listener.heard() == [
        "READY=1",
        "RELOADING=1\nMONOTONIC_USEC=12500000",
        "READY=1",
        "STOPPING=1",
    ]


def test_abstract_address() -> None:
    name = f"jobctl-test-{os.urandom(6).hex()}"
    listener = Listener(f"\0{name}")
    Manager({"NOTIFY_SOCKET": f"@{name}"}).ready()
    assert listener.heard() == ["READY=1"]
    listener.sock.close()


def test_watchdog_is_fed_well_before_its_time(
    listener: Listener, environ: dict[str, str]
) -> None:
    manager = Manager(environ)
    assert manager.tick(100.0, lambda: "") == 1.0
    assert listener.heard() == ["WATCHDOG=1"]
    assert manager.tick(100.4, lambda: "") == pytest.approx(0.6)
    assert listener.heard() == []
    manager.tick(101.0, lambda: "")
    assert listener.heard() == ["WATCHDOG=1"]


def test_status_only_when_it_changes_and_not_too_often(
    listener: Listener, environ: dict[str, str]
) -> None:
    del environ["WATCHDOG_USEC"]
    manager = Manager(environ)
    said = iter(["idle", "idle", "1\nrunning"])
    for now in (100.0, 100.5, 101.0, 101.9, 102.0):
        assert manager.tick(now, lambda: next(said)) is None
    assert listener.heard() == ["STATUS=idle", "STATUS=1 running"]


def test_a_full_socket_neither_blocks_nor_loses_a_state(
    listener: Listener, environ: dict[str, str]
) -> None:
    manager = Manager(environ)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                other.sendto(b"x", environ["NOTIFY_SOCKET"])
    manager.ready()
    assert manager.tick(100.0, lambda: "idle") == 0.1
    manager.stopping()
    assert not any("=" in text for text in listener.heard())
    manager.tick(101.0, lambda: "idle")
    assert listener.heard() == ["READY=1\nSTOPPING=1\nWATCHDOG=1\nSTATUS=idle"]


@pytest.mark.parametrize(
    ("environ", "allowed"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "2500000"}, 2.5),
        ({"WATCHDOG_USEC": "2500000", "WATCHDOG_PID": "7"}, 2.5),
        ({"WATCHDOG_USEC": "2500000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-1"}, None),
        ({"WATCHDOG_USEC": "x"}, None),
        ({"WATCHDOG_USEC": "1", "WATCHDOG_PID": ""}, None),
    ],
)
def test_watchdog(environ: dict[str, str], allowed: float | None) -> None:
    assert watchdog(environ, 7) == allowed


def _journal(stream: TextIO) -> str:
    info = os.fstat(stream.fileno())
    return f"{info.st_dev}:{info.st_ino}"


def test_is_journal(tmp_path: Path) -> None:
    with (tmp_path / "a").open("w") as one, (tmp_path / "b").open("w") as other:
        assert is_journal(one, {"JOURNAL_STREAM": _journal(one)})
        assert not is_journal(one, {"JOURNAL_STREAM": _journal(other)})
        assert not is_journal(one, {"JOURNAL_STREAM": "x"})
        assert not is_journal(one, {})
    assert not is_journal(io.StringIO(), {"JOURNAL_STREAM": "1:2"})
    assert not is_journal(one, {"JOURNAL_STREAM": "1:2"})


def test_levels_in_the_journal(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "journal").open("w") as stream:
        monkeypatch.setenv("JOURNAL_STREAM", _journal(stream))
        log = Log(clock, stream)
        log.info("one")
        log.warning("two\nlines")
        log.error("three")
    lines = (tmp_path / "journal").read_text().splitlines()
    assert [line[:4] for line in lines] == ["<6>{", "<4>{", "<3>{"]


def test_no_levels_elsewhere(tmp_path: Path, clock: FakeClock) -> None:
    with (tmp_path / "log").open("w") as stream:
        Log(clock, stream).error("three")
    assert (tmp_path / "log").read_text().startswith("{")
