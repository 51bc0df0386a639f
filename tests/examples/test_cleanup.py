"""The cleanup example on real files."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from examples.cleanup_worker import CleanupData
from jobctl.core.retry import Fail
from jobctl.runtime.validation import InvalidData
from tests.examples.conftest import RunJob

DAY = 86400.0


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    monkeypatch.setenv("CLEANUP_ROOT", str(folder))
    return folder


def make(path: Path, days: float, size: int = 10) -> Path:
    """Make a file that was changed some days ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    moment = datetime.now(UTC).timestamp() - days * DAY
    os.utime(path, (moment, moment))
    return path


def test_old_files_of_the_pattern_go_and_the_others_stay(root: Path, run_job: RunJob) -> None:
    gone = [make(root / "logs/a.log", 8), make(root / "logs/deep/b.log", 100, size=5)]
    kept = [
        make(root / "logs/new.log", 6.9),
        make(root / "logs/a.txt", 100),
        make(root / "other/c.log", 100),
    ]
    result = run_job("cleanup-files", CleanupData("logs", "*.log", 7))
    assert not any(path.exists() for path in gone)
    assert all(path.exists() for path in kept)
    assert result == {"checked": 3, "deleted": 2, "bytes": 15, "failed": 0, "errors": []}
    again = run_job("cleanup-files", CleanupData("logs", "*.log", 7))
    assert (again["checked"], again["deleted"]) == (1, 0)


def test_a_dry_run_counts_and_deletes_nothing(root: Path, run_job: RunJob) -> None:
    old = make(root / "a.log", 8)
    result = run_job("cleanup-files", CleanupData(dry_run=True))
    assert (result["deleted"], result["bytes"]) == (1, 10)
    assert old.exists()


def test_no_symlink_is_followed(tmp_path: Path, root: Path, run_job: RunJob) -> None:
    outside = make(tmp_path / "outside/secret.log", 100)
    (root / "folder").symlink_to(outside.parent)
    (root / "file.log").symlink_to(outside)
    os.utime(root / "file.log", (0, 0), follow_symlinks=False)
    result = run_job("cleanup-files", CleanupData(".", "*", 7))
    assert result["checked"] == 0
    assert outside.exists()
    assert (root / "file.log").is_symlink()


@pytest.mark.parametrize(
    "folder", ["link", "link/deeper", "..", "a/../..", "/", "absent", "a\0b", "file"]
)
def test_a_folder_that_is_not_below_the_root_fails(
    tmp_path: Path, root: Path, run_job: RunJob, folder: str
) -> None:
    outside = make(tmp_path / "outside/deeper/secret.log", 100)
    (root / "link").symlink_to(tmp_path / "outside")
    make(root / "file", 0)
    with pytest.raises(Fail, match=r"is not below|cannot be opened"):
        run_job("cleanup-files", CleanupData(folder, "*", 7))
    assert outside.exists()


def test_the_root_itself_may_be_a_symlink(
    tmp_path: Path, root: Path, run_job: RunJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = make(root / "a.log", 8)
    (tmp_path / "name").symlink_to(root)
    monkeypatch.setenv("CLEANUP_ROOT", str(tmp_path / "name"))
    assert run_job("cleanup-files", CleanupData())["deleted"] == 1
    assert not old.exists()


@pytest.mark.parametrize("value", ["", None, "/absent/root"])
def test_without_a_root_nothing_is_deleted(
    run_job: RunJob, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    if value is None:
        monkeypatch.delenv("CLEANUP_ROOT")
    else:
        monkeypatch.setenv("CLEANUP_ROOT", value)
    with pytest.raises(Fail, match="CLEANUP_ROOT"):
        run_job("cleanup-files", CleanupData())


def test_special_files_are_left_alone(root: Path, run_job: RunJob) -> None:
    os.mkfifo(root / "pipe.log")
    os.utime(root / "pipe.log", (0, 0))
    assert run_job("cleanup-files", CleanupData())["checked"] == 0
    assert (root / "pipe.log").exists()


def test_a_file_that_cannot_be_deleted_is_counted(
    root: Path, run_job: RunJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(root / "a.log", 8)
    make(root / "b.log", 8)
    unlink = os.unlink

    def refuse(name: str, *, dir_fd: int) -> None:
        if name == "a.log":
            raise PermissionError(1, "Operation not permitted")
        unlink(name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", refuse)
    result = run_job("cleanup-files", CleanupData())
    assert (result["deleted"], result["failed"]) == (1, 1)
    assert result["errors"] == ["./a.log: Operation not permitted"]


@pytest.mark.parametrize("pattern", ["", "../*", "a/*.log"])
def test_a_pattern_is_for_file_names(run_job: RunJob, pattern: str) -> None:
    with pytest.raises(Fail, match="is no pattern for file names"):
        run_job("cleanup-files", CleanupData(pattern=pattern))


def test_days_are_not_negative(run_job: RunJob) -> None:
    with pytest.raises(InvalidData, match=r"data\.days: expected float >= 0"):
        run_job("cleanup-files", {"days": -1})
