"""The power is cut at each system call on the store: what was acknowledged is there (P1)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from tests.crash import powercut, tracer
from tests.crash.cuts import CUTS
from tests.crash.lab import UNABLE, Order, Tried
from tests.crash.mutants import MUTANTS
from tests.crash.repertoire import PLAYS
from tests.crash.results import record
from tests.helpers import ROOT, eventually

pytestmark = pytest.mark.root
FULL_ONLY = "at full size only: make crash-test"
#: What is played by default, and of how many points one is tried then.
SLICE = {"add_many": 4, "roll": 30, "compact": 25}


class Hunt(NamedTuple):
    """Which fault finds a mutant out, in which play, if each `step`-th point is tried."""

    mutant: str
    play: str
    fault: str
    step: int = 1


HUNTS = [
    Hunt("no_fdatasync", "add", "drop"),
    Hunt("no_fdatasync", "add", "flush"),
    # A later fdatasync of the segment brings its name along, on ext4 and on XFS. What was
    # said to have failed is void by the name of the next segment alone.
    Hunt("no_folder_fsync", "told it failed", "drop"),
    # The index is not synced: it is ahead only if it is written back by itself.
    Hunt("index_first", "named", "late"),
    Hunt("early_unlink", "compact", "drop"),
    Hunt("early_unlink", "compact", "flush"),
    Hunt("early_tombstone", "forget", "drop", 10),
    Hunt("torn_tail_kept", "after a torn write", "drop"),
    Hunt("torn_tail_kept", "add_many", "torn"),
    Hunt("half_transaction", "add_many", "torn"),
    Hunt("half_transaction", "pages", "pages"),
    Hunt("fdatasync_again", "add", "error"),
    Hunt("header_not_synced", "create", "drop"),
    Hunt("backup_not_synced", "backup", "drop"),
    Hunt("restore_not_synced", "restore", "drop"),
]
HUNTED_BY_DEFAULT = [(HUNTS[0], "ext4"), (HUNTS[11], "xfs")]


def command(order: Order) -> list[str]:
    text = msgspec.json.encode(order).decode()
    return [*powercut.NAMESPACE, sys.executable, "-m", "tests.crash.lab", text]


def try_all(order: Order) -> dict[str, Tried]:
    """Have it done by a process of its own."""
    why_not = powercut.why_not(order.kind) or tracer.why_not()
    if why_not:
        pytest.skip(why_not)
    done = subprocess.run(command(order), cwd=ROOT, capture_output=True)
    if done.returncode == UNABLE:
        pytest.skip(done.stderr.decode().strip())
    assert done.returncode == 0, done.stderr.decode()
    return msgspec.json.decode(done.stdout, type=dict[str, Tried])


def see(order: Order) -> None:
    """Try all, write down what came of it, and fail if anything was lost."""
    report = try_all(order)
    for name, tried in report.items():
        record(
            CUTS[name].what,
            order.play,
            where=order.kind,
            points=tried.points,
            of=tried.of,
            acknowledged=tried.acknowledged,
            lost=len(tried.lost),
        )
        assert tried.points
        assert order.step > 1 or tried.points == tried.of
    assert [where for tried in report.values() for where in tried.lost] == []


@pytest.mark.parametrize("kind", powercut.KINDS)
@pytest.mark.parametrize("play", PLAYS)
def test_a_power_cut_at_each_system_call(
    play: str, kind: str, tmp_path: Path, full_size: bool
) -> None:
    if not full_size and play not in SLICE:
        pytest.skip(FULL_ONLY)
    step = 1 if full_size else SLICE[play]
    see(Order(str(tmp_path), kind, play, ["drop", "flush", "torn", "pages"], step))


@pytest.mark.parametrize("kind", powercut.KINDS)
@pytest.mark.parametrize("play", ["named", "work"])
def test_a_power_cut_when_all_was_written_back(
    play: str, kind: str, tmp_path: Path, full_size: bool
) -> None:
    """The index has come to the disk as well, although nobody has waited for it."""
    if not full_size:
        pytest.skip(FULL_ONLY)
    see(Order(str(tmp_path), kind, play, ["late"]))


@pytest.mark.parametrize("kind", powercut.KINDS)
@pytest.mark.parametrize("play", ["add", "add_many", "stubborn"])
def test_a_disk_that_fails_before_the_power_does(
    play: str, kind: str, tmp_path: Path, full_size: bool
) -> None:
    """What could not be made durable does not count, whatever a later fsync has said."""
    if not full_size and play != "add":
        pytest.skip(FULL_ONLY)
    see(Order(str(tmp_path), kind, play, ["error"], 1 if full_size else 5))


@pytest.mark.parametrize("kind", powercut.KINDS)
@pytest.mark.parametrize("hunt", HUNTS, ids=lambda hunt: f"{hunt.mutant}-{hunt.fault}")
def test_a_store_without_a_protection_is_found_out(
    hunt: Hunt, kind: str, tmp_path: Path, full_size: bool
) -> None:
    if not full_size and (hunt, kind) not in HUNTED_BY_DEFAULT:
        pytest.skip(FULL_ONLY)
    order = Order(str(tmp_path), kind, hunt.play, [hunt.fault], hunt.step, hunt.mutant)
    tried = try_all(order)[hunt.fault]
    found = int(bool(tried.lost))
    record(
        CUTS[hunt.fault].what,
        hunt.play,
        where=kind,
        points=0,  # those of the whole store are counted
        of=0,
        acknowledged=0,
        lost=0,
        mutants=(found, 1),
    )
    assert found, f"{tried.points} power cuts have not shown it"


def test_every_mutant_is_hunted() -> None:
    assert {hunt.mutant for hunt in HUNTS} == MUTANTS.keys()


def test_nothing_is_left_of_a_lab_that_is_killed(tmp_path: Path) -> None:
    why_not = powercut.why_not("ext4") or tracer.why_not()
    if why_not:
        pytest.skip(why_not)
    image = tmp_path / "host" / "image"
    order = Order(str(tmp_path), "ext4", "change", ["drop"])
    with subprocess.Popen(command(order), cwd=ROOT, stdout=subprocess.DEVNULL) as lab:
        try:
            eventually(lambda: _loops(image), 60)
        finally:
            os.kill(lab.pid, signal.SIGKILL)
    eventually(lambda: not _loops(image))
    assert not os.path.ismount(tmp_path / "disk")
    assert not image.exists()


def _loops(image: Path) -> list[Path]:
    """Return the loop devices that have an image."""
    found = []
    for device in Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            if device.read_text().strip().endswith(str(image)):
                found.append(device)
        except OSError:
            continue  # let go of meanwhile
    return found
