"""jobctl health and jobctl systemd: whole outputs and exit codes."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobctl.runtime.unit import is_untouched
from jobctl.services import health as service
from jobctl.stores.directory.store import DirectoryStore
from tests.cli.conftest import Cli
from tests.helpers import FakeClock, make_job, put


@pytest.fixture
def seated(store: DirectoryStore) -> Iterator[DirectoryStore]:
    """The store, with this process as its daemon, which takes note of each wake-up."""
    ended = threading.Event()
    with store.seat() as seat:

        def loop() -> None:
            while not ended.wait(0.005):
                seat.drain()

        thread = threading.Thread(target=loop)
        thread.start()
        yield store
        ended.set()
        thread.join()


def test_healthy(cli: Cli, seated: DirectoryStore) -> None:
    result = cli("health")
    assert result.code == 0
    assert result.out == (
        "CHECK   STATE  WHY\n"
        f"daemon  ok     process {os.getpid()} is the daemon\n"
        "loop    ok     the daemon answers\n"
        "disk    ok     the store can be written\n"
        "oldest  ok     no job is due\n"
    )


def test_no_daemon(cli: Cli, store: DirectoryStore) -> None:
    result = cli("health", "--json")
    assert result.code == 1
    found = json.loads(result.out)
    assert found["healthy"] is False
    assert found["checks"][0] == {
        "name": "daemon",
        "ok": False,
        "message": "no daemon runs: start `jobctl run`",
    }


def test_stuck(cli: Cli, store: DirectoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service.examine, "__kwdefaults__", {"max_wait": 60, "patience": 0})
    with store.seat():
        result = cli("health")
    assert result.code == 1
    assert "loop    failed  the daemon did not answer" in result.out


def test_waits_too_long(cli: Cli, seated: DirectoryStore, clock: FakeClock) -> None:
    put(seated, make_job("a"))
    clock.advance(601)
    assert cli("health").code == 0
    result = cli("health", "--max-wait", "10m")
    assert result.code == 1
    assert "work a has been due for 10m1s (at most 10m)" in result.out


def test_bad_max_wait(cli: Cli) -> None:
    result = cli("health", "--max-wait", "soon")
    assert result.code == 2
    assert result.err.startswith("jobctl: --max-wait: ")


def test_a_store_that_is_not_there_is_not_made(cli: Cli, tmp_path: Path) -> None:
    result = cli("health")
    assert result.code == 1
    assert "store  failed  there is no store at" in result.out
    assert not (tmp_path / "store").exists()


def test_a_store_that_cannot_be_read(cli: Cli, store: DirectoryStore) -> None:
    store.layout.header.write_text("{")
    result = cli("health")
    assert result.code == 1
    assert "store.json cannot be read" in result.out


def test_print(cli: Cli, tmp_path: Path) -> None:
    cli("init")
    result = cli("systemd", "print", "--name", "jobs", "--write-path", "out")
    assert result.code == 0
    assert is_untouched(result.out)
    assert f"WorkingDirectory={tmp_path}\n" in result.out
    assert f"ReadWritePaths=-{tmp_path}/store {tmp_path}/out\n" in result.out
    command = f"{sys.executable} -P -m jobctl run --config {tmp_path}/jobs.toml"
    assert f"ExecStart={command} --store {tmp_path}/store\n" in result.out
    assert "out is no folder yet" in result.err


def test_the_store_of_the_file_is_left_to_it(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOBCTL_STORE")
    cli("init")
    assert "--store" not in cli("systemd", "print").out


def test_stop_timeout_follows_the_configuration(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "jobs.toml").write_text('[run]\nshutdown_timeout = "2m"\nkill_after = "9s"\n')
    assert "TimeoutStopSec=139\n" in cli("systemd", "print").out


def test_install(cli: Cli, tmp_path: Path) -> None:
    cli("init")
    path = tmp_path / "config/systemd/user/jobctl.service"
    result = cli("systemd", "install", "--user")
    assert (result.code, result.out) == (0, f"{path}\n")
    assert "systemctl --user enable --now jobctl" in result.err
    assert is_untouched(path.read_text())
    assert cli("systemd", "install", "--user").code == 0
    path.write_text("mine\n")
    result = cli("systemd", "install", "--user")
    assert result.code == 4
    assert path.read_text() == "mine\n"
    assert cli("systemd", "install", "--user", "--force").code == 0
    assert is_untouched(path.read_text())


def test_bad_name(cli: Cli) -> None:
    assert cli("systemd", "install", "--user", "--name", "../../x").code == 2


def test_alone(cli: Cli) -> None:
    assert cli("systemd").code == 2
