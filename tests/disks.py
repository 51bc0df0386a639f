"""Small disks for tests: file systems in memory that are full, or soon will be."""

from __future__ import annotations

import os
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
