"""Delete old files by age and pattern.

    export CLEANUP_ROOT=/var/tmp/myapp
    python cleanup_worker.py logs '*.log' 30
    jobctl run --burst

Only regular files below CLEANUP_ROOT are deleted, however the job's data reads: no symlink
is followed, not even one that appears while the job runs, because every step is taken from
an open folder and not by a path. With dry_run everything is counted and nothing deleted.
"""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Annotated, Any, Unpack

import msgspec

from jobctl import Fail, JobOptions, Queue, handler

DAY = 86400.0


class CleanupData(msgspec.Struct, forbid_unknown_fields=True):
    """`folder` is below the root, `pattern` is for file names: `*.log`."""

    folder: str = "."
    pattern: str = "*"
    days: Annotated[float, msgspec.Meta(ge=0)] = 7
    dry_run: bool = False


@dataclass
class Counts:
    """What was found and done; `errors` holds the first few."""

    checked: int = 0
    deleted: int = 0
    bytes: int = 0
    failed: int = 0
    errors: list[str] = field(default_factory=list)

    def fail(self, path: str, error: OSError) -> None:
        """Count a file that could not be deleted."""
        self.failed += 1
        if len(self.errors) < 5:
            self.errors.append(f"{path}: {error.strerror}")


@handler("cleanup-files", max_retries=2, timeout="1h")
def cleanup_files(data: CleanupData) -> dict[str, Any]:
    """Delete the files of a folder and its subfolders that are older than `days`."""
    if "/" in data.pattern or not data.pattern:
        raise Fail(f"the pattern {data.pattern!r} is no pattern for file names, such as *.log")
    before = datetime.now(UTC).timestamp() - data.days * DAY
    counts = Counts()
    folder = open_below(os.environ.get("CLEANUP_ROOT"), data.folder)
    try:
        _clean(folder, data, before, counts)
    finally:
        os.close(folder)
    said = "would be deleted" if data.dry_run else "deleted"
    print(f"{counts.deleted} of {counts.checked} files {said}, {counts.failed} failed")
    return vars(counts)


def open_below(root: str | None, folder: str) -> int:
    """Return a descriptor of `folder`, which is below `root` and reached by no symlink."""
    if not root:
        raise Fail("CLEANUP_ROOT is not set: it names the folder that nothing leaves")
    path = PurePosixPath(folder)
    if path.is_absolute() or ".." in path.parts or "\0" in folder:
        raise Fail(f"{folder!r} is not below CLEANUP_ROOT")
    # The root itself may be a symlink: it is the administrator who chose it.
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    try:
        opened = os.open(root, flags)
    except OSError as error:
        raise Fail(f"CLEANUP_ROOT {root!r} cannot be opened: {error.strerror}") from error
    for part in path.parts:
        try:
            deeper = os.open(part, flags | os.O_NOFOLLOW, dir_fd=opened)
        except OSError as error:
            raise Fail(f"{part!r} in {folder!r} cannot be opened: {error.strerror}") from error
        finally:
            os.close(opened)
        opened = deeper
    return opened


def _clean(top: int, data: CleanupData, before: float, counts: Counts) -> None:
    walk = os.fwalk(".", dir_fd=top, follow_symlinks=False)
    for folder, _, names, descriptor in walk:
        for name in names:
            if not fnmatchcase(name, data.pattern):
                continue
            try:
                _clean_file(name, descriptor, data, before, counts)
            except FileNotFoundError:
                pass  # somebody else was faster
            except OSError as error:
                counts.fail(os.path.join(folder, name), error)


def _clean_file(
    name: str, folder: int, data: CleanupData, before: float, counts: Counts
) -> None:
    found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if not stat.S_ISREG(found.st_mode):
        return
    counts.checked += 1
    if found.st_mtime >= before:
        return
    if not data.dry_run:
        os.unlink(name, dir_fd=folder)
    counts.deleted += 1
    counts.bytes += found.st_size


def enqueue_cleanup(
    folder: str = ".",
    pattern: str = "*",
    days: float = 7,
    *,
    dry_run: bool = False,
    **options: Unpack[JobOptions],
) -> str:
    """Add a cleanup to the queue and return the job's id."""
    options.setdefault("priority", -1)
    data = CleanupData(folder, pattern, days, dry_run)
    return Queue().add("cleanup-files", data, **options)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: python cleanup_worker.py FOLDER PATTERN DAYS")
    print(enqueue_cleanup(sys.argv[1], sys.argv[2], float(sys.argv[3])))
