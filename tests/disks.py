"""Small disks for tests: file systems in memory that are full, or soon will be."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def mounted(path: Path, options: str) -> Iterator[Path]:
    """Mount a tmpfs with these options at `path`, which is made; skip who may not."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"mode=700,{options}", "tmpfs", str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(done.stderr)
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def remount(path: Path, options: str) -> None:
    """Change the options of a mount."""
    subprocess.run(["mount", "-o", f"remount,{options}", str(path)], check=True)


@contextmanager
def ext4(path: Path, image: Path) -> Iterator[Path]:
    """Mount the ext4 in an image, which is made or mended; skip who may not or cannot."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    if not image.exists():
        image.touch()
        os.truncate(image, 16 << 20)
        command = ["mkfs.ext4", "-q", "-m", "0", str(image)]
    else:
        command = ["e2fsck", "-fy", str(image)]
    try:
        subprocess.run(command, capture_output=True)
    except FileNotFoundError:
        pytest.skip(f"needs {command[0]}")
    path.mkdir(exist_ok=True)
    options = "loop,errors=remount-ro"
    done = subprocess.run(["mount", "-o", options, str(image), str(path)], capture_output=True)
    if done.returncode:
        pytest.skip(done.stderr.decode())
    try:
        path.chmod(0o700)
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def carried_over(image: Path) -> Path:
    """Return a copy of an image, as the disk that is put into another machine.

    The image itself may be in use for a while after it was unmounted: a mount namespace that
    some other test made meanwhile has the mount too, and to mount the image again would show
    what is mounted there.
    """
    return shutil.copyfile(image, image.with_suffix(".copy"))


def break_ext4(path: Path) -> None:
    """Tell a mounted ext4 that its disk has failed: it becomes read-only, for good."""
    find = ["findmnt", "-no", "SOURCE", str(path)]
    device = subprocess.run(find, check=True, capture_output=True, text=True).stdout.strip()
    Path("/sys/fs/ext4", Path(device).name, "trigger_fs_error").write_text("1")


@contextmanager
def kept_full(path: Path) -> Iterator[None]:
    """Take every byte that becomes free on a disk, for as long as the context lasts."""
    done = threading.Event()
    filler = fill(path)

    def keep() -> None:
        while not done.wait(0.001):
            fill(path)

    thread = threading.Thread(target=keep)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        filler.unlink()


def fill(path: Path) -> Path:
    """Leave no byte free on the disk that `path` lies on; return what takes the room."""
    filler = path / "filler"
    with filler.open("ab", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while file.write(b"x" * size):
                    pass
            except OSError:
                continue
    return filler
