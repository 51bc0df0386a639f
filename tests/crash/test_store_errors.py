"""Each system call on a store fails once: a clear error, and the store as it was (P8)."""

from __future__ import annotations

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
    ("add", 9),
    ("add_many", 9),
    ("work", 17),
    ("delete", 19),
    ("change", 61),
    ("compact", 59),
    ("rebuild", 23),
]
ERRORS = ("EIO", "ENOSPC", "EDQUOT")
#: What is no trouble of the disk: a lock that fails so is tested elsewhere.
NOT_HERE = ("flock", "fcntl")


@pytest.mark.parametrize(("scenario", "step"), CASES, ids=str)
def test_an_error_of_each_system_call(
    scenario: str,
    step: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    full_size: bool,
) -> None:
    before, victim, expected, calls = rehearse(tmp_path, scenario, monkeypatch)
    points = [(call, n, error) for call, n in calls if call not in NOT_HERE for error in ERRORS]
    injected = 0
    for call, n, error in points[:: 1 if full_size else step]:
        copy(before, victim)
        done, trace = run(victim, scenario, f"-einject={call}:error={error}:when={n}")
        injected += "INJECTED" in trace
        # Unlike after a kill: what was not acknowledged is not there.
        check(victim, expected[done : done + 1], f"{call} {n} {error}")
    assert injected, "nothing failed"
