"""The kernel's count of those whom it killed for memory, in each place where it may stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobctl.runtime import oom

VERSION_1 = ("4:memory:/a/b\n0::/\n", "memory/a/b/memory.oom_control")
VERSION_2 = ("0::/a/b\n", "a/b/memory.events")


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that has what the module reads: own, vmstat, and cgroup/."""
    monkeypatch.setattr(oom, "_OWN", tmp_path / "own")
    monkeypatch.setattr(oom, "_CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(oom, "_MACHINE", tmp_path / "vmstat")
    return tmp_path


@pytest.mark.parametrize(("own", "place"), [VERSION_1, VERSION_2])
def test_it_is_that_of_the_cgroup(kernel: Path, own: str, place: str) -> None:
    (kernel / "own").write_text(own)
    (kernel / "vmstat").write_text("oom_kill 70\n")
    events = kernel / "cgroup" / place
    events.parent.mkdir(parents=True)
    events.write_text("oom 5\noom_kill 2\noom_group_kill 9\n")
    count = oom.OomCount()
    assert oom.kills() == 2
    assert not count.rose()
    events.write_text("oom 6\noom_kill 3\n")
    assert [count.rose(), count.rose()] == [True, False]


def test_without_one_it_is_that_of_the_machine(kernel: Path) -> None:
    (kernel / "own").write_text("0::/\n")
    (kernel / "vmstat").write_text("nr_free_pages 8\noom_kill 7\n")
    assert oom.kills() == 7


def test_where_nobody_counts_nothing_rises(kernel: Path) -> None:
    count = oom.OomCount()
    assert not count.rose()
