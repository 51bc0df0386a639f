"""What a daemon that died leaves behind, and how the next one ends it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jobctl.errors import StoreBusy
from jobctl.runtime import family as module
from jobctl.runtime.family import VARIABLE, Family
from jobctl.runtime.process import has_environment, identify
from jobctl.runtime.slots import Slots
from tests.helpers import eventually
from tests.runtime.rig import alive

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a process that sleeps; it is ended with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def sleep(environ: dict[str, str], session: bool = False) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(["sleep", "60"], env=environ, start_new_session=session)
        started.append(process)
        return process

    yield sleep
    for process in started:
        process.kill()
        process.wait()


def died(folder: Path) -> Family:
    """Return the family of a daemon that died."""
    family = Family(folder)
    family.write()
    fd = Slots.create(family.slots_path, 2)
    Slots(fd, 2).begin(1, "job1", 5.0)
    os.close(fd)
    return family


def change(folder: Path, **fields: Any) -> None:
    path = folder / "family.json"
    path.write_bytes(msgspec.json.encode({**msgspec.json.decode(path.read_bytes()), **fields}))


def test_members_and_all_with_the_environment_are_ended(tmp_path: Path, start: Start) -> None:
    old = died(tmp_path)
    member = start({}, session=True)
    old.add(member.pid)
    grandchild = start({VARIABLE: old.id}, session=True)
    stranger = start({VARIABLE: "another"})
    assert Family(tmp_path).end_previous() == {"job1"}
    assert not alive(member.pid)
    assert not alive(grandchild.pid)
    assert alive(stranger.pid)


def test_who_stays_in_the_session_of_a_member_is_ended(tmp_path: Path) -> None:
    old = died(tmp_path)
    shell = subprocess.Popen(
        ["sh", "-c", "sleep 60 & echo $!; wait"],
        env={},
        start_new_session=True,
        stdout=subprocess.PIPE,
    )
    assert shell.stdout is not None
    child = int(shell.stdout.readline())
    old.add(shell.pid)
    Family(tmp_path).end_previous()
    assert not alive(child)
    shell.wait()
    shell.stdout.close()


def test_a_later_process_of_the_same_pid_is_left_alone(tmp_path: Path, start: Start) -> None:
    died(tmp_path)
    other = start({}, session=True)
    process = identify(other.pid)
    assert process is not None
    change(tmp_path, members=[[other.pid, process.start - 1]])
    Family(tmp_path).end_previous()
    assert alive(other.pid)


def test_after_a_reboot_nobody_is_ended_or_charged(tmp_path: Path, start: Start) -> None:
    old = died(tmp_path)
    process = start({VARIABLE: old.id})
    change(tmp_path, boot="another")
    assert Family(tmp_path).end_previous() == set()
    assert alive(process.pid)


@pytest.mark.parametrize("content", [None, b"", b"{", b"\xff", b'{"boot": 1}'])
def test_without_a_readable_record_there_is_nobody(
    tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "family.json").write_bytes(content)
    assert Family(tmp_path).end_previous() == set()


def test_what_had_begun_is_remembered_until_it_is_recovered(tmp_path: Path) -> None:
    died(tmp_path)
    second = Family(tmp_path)
    assert second.end_previous() == {"job1"}
    second.write()
    os.close(Slots.create(second.slots_path, 2))
    second.clear()  # it ends before it came to the recovery
    third = Family(tmp_path)
    assert third.end_previous() == {"job1"}
    third.recovered()
    third.clear()
    assert list(tmp_path.iterdir()) == []


def test_who_cannot_be_ended_is_named(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = died(tmp_path)
    process = start({VARIABLE: old.id})
    eventually(lambda: has_environment(process.pid, f"{VARIABLE}={old.id}".encode()))
    monkeypatch.setattr(module, "kill_all", lambda left: None)
    with pytest.raises(StoreBusy, match=f"process {process.pid} of the daemon before"):
        Family(tmp_path).end_previous()


def test_a_full_disk_stops_no_daemon(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    family = died(tmp_path)

    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    process = start({})
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", full)
        family.add(process.pid)
        family.remove(process.pid)
        with pytest.raises(OSError, match="No space"):
            family.write()
    assert b"members" in (tmp_path / "family.json").read_bytes()
