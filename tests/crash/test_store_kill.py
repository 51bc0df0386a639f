"""A process is killed at each system call on the store: nothing is lost or doubled."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.crash.stepping import check, copy, rehearse, run

pytestmark = [
    pytest.mark.strace,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
]
#: The scenario, and of how many points one is tried by default.
CASES = [
    ("create", 20),
    ("add", 12),
    ("add_many", 8),
    ("named", 40),
    ("unfolded", 40),
    ("claim", 40),
    ("work", 30),
    ("settle", 40),
    ("retry", 40),
    ("cancel", 40),
    ("delete", 30),
    ("cleanup", 40),
    ("notes", 60),
    ("roll", 25),
    ("change", 80),
    ("compact", 60),
    ("rebuild", 40),
    ("upgrade", 60),
]


@pytest.mark.parametrize(("scenario", "step"), CASES, ids=str)
def test_a_kill_at_each_system_call(
    scenario: str,
    step: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    full_size: bool,
) -> None:
    before, victim, expected, points = rehearse(tmp_path, scenario, monkeypatch)
    killed = 0
    for call, n in points[:: 1 if full_size else step]:
        copy(before, victim)
        done, trace = run(victim, scenario, f"-einject={call}:signal=SIGKILL:when={n}")
        killed += "killed by SIGKILL" in trace
        check(victim, expected[done : done + 2], f"{call} {n}")
        assert os.stat(victim).st_mode & 0o777 == 0o700
    assert killed, "nothing was killed"
