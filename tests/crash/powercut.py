"""Disks whose power can be cut: ext4 and XFS in a file, each in a mount namespace of its own.

The ioctl FS_IOC_SHUTDOWN (Linux's ext4_ioctl_shutdown and xfs_fs_goingdown; `shutdown` of
xfs_io) ends all writing to a file system at once. What was in memory only is gone when it is
mounted again, which is what a power cut does. With `DROP` the log in memory is gone too; with
`FLUSH` it is written first, so that names and sizes come to the disk and data do not.
CrashMonkey (OSDI'18) found most of its bugs with less: a few operations and a cut after each.

Nothing has to be cleaned up. The image lies on a tmpfs, both are mounted in a namespace that
ends with its last process, and the loop device detaches itself with the mount (autoclear).
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SHUTDOWN = 0x8004587D
#: What becomes of the log of the file system, the ioctl's argument.
FLUSH, DROP = 1, 2
KINDS = ("ext4", "xfs")

_LOOP_GET_FREE, _LOOP_CONFIGURE, _LOOP_SET_STATUS = 0x4C82, 0x4C0A, 0x4C04
_LOOP_AUTOCLEAR = 4
_READ_ONLY, _REMOUNT = 1, 32
_MIB = 1 << 20
#: Bytes of an image. mkfs.xfs makes none that is smaller; its log of 64 MiB is written.
_SIZE = {"ext4": 24 * _MIB, "xfs": 300 * _MIB}
_MKFS = {
    "ext4": ["mkfs.ext4", "-q", "-F", "-E", "nodiscard", "-J", "size=4"],
    "xfs": ["mkfs.xfs", "-q"],
}
#: What runs a program in a mount namespace of its own.
NAMESPACE = ("unshare", "--mount", "--propagation", "private")

_libc = ctypes.CDLL(None, use_errno=True)


def why_not(kind: str) -> str | None:
    """Return why there can be no such disk here, None if there can be."""
    if os.geteuid() != 0:
        return "mounts need root"
    for command in (_MKFS[kind][0], NAMESPACE[0]):
        if shutil.which(command) is None:
            return f"{command} is not installed"
    try:
        os.close(_free_loop()[1])
    except OSError as err:
        return f"no loop device can be used here: {err.strerror}"
    done = subprocess.run([*NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", "/mnt"])
    return "nothing can be mounted here" if done.returncode else None


class Disk:
    """A file system of this kind, new and mounted at `mount`, for a process in NAMESPACE."""

    def __init__(self, base: Path, kind: str) -> None:
        self.kind = kind
        self.base = base / "host"
        self.mount = base / "disk"
        self._image = self.base / "image"
        for folder in (self.base, self.mount):
            folder.mkdir()
        _mount("tmpfs", self.base, "tmpfs")
        with self._image.open("wb") as file:
            file.truncate(_SIZE[kind])
        subprocess.run([*_MKFS[kind], str(self._image)], check=True)
        self._attach()

    def cut(self, mode: int) -> None:
        """Cut the power. Whoever has files open there gets errors from now on."""
        try:
            fd = os.open(self.mount, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as err:
            if err.errno == errno.EIO:
                return  # XFS has shut down by itself: its log could not be written
            raise
        try:
            fcntl.ioctl(fd, SHUTDOWN, struct.pack("I", mode))
        finally:
            os.close(fd)

    def come_back(self) -> None:
        """Switch it on again, read-only. Nobody may have anything open there."""
        _call(_libc.umount2, os.fsencode(self.mount), 0)
        self._attach(_READ_ONLY)

    def allow_writing(self) -> None:
        """Let what came back read-only be written."""
        _call(
            _libc.mount, b"none", os.fsencode(self.mount), None, ctypes.c_ulong(_REMOUNT), None
        )

    def sync(self) -> None:
        """Bring everything to the disk, as the kernel may do by itself at any time."""
        fd = os.open(self.mount, os.O_RDONLY | os.O_DIRECTORY)
        try:
            _call(_libc.syncfs, fd)
        finally:
            os.close(fd)

    def put(self, source: Path) -> Path:
        """Leave nothing on it but a copy of what is in a folder, durably; return where."""
        for there in self.mount.iterdir():
            if there.is_dir():
                shutil.rmtree(there)
            else:
                there.unlink()
        shutil.copytree(source, self.mount, dirs_exist_ok=True)
        self.sync()
        return self.mount

    @contextmanager
    def failing(self) -> Iterator[None]:
        """Let every write of the file system to its disk fail meanwhile, with EIO."""
        self._resize(1)
        try:
            yield
        finally:
            self._resize(0)

    def _resize(self, limit: int) -> None:
        """Change the size of the loop device, in bytes; 0 is that of the image."""
        held = os.open(self._device, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.ioctl(held, _LOOP_SET_STATUS, _status(limit))
        finally:
            os.close(held)

    def _attach(self, flags: int = 0) -> None:
        self._device, held = _loop(self._image)
        try:
            _mount(self._device, self.mount, self.kind, flags)
        finally:
            os.close(held)


def _status(limit: int = 0) -> bytes:
    """Return a struct loop_info64 of linux/loop.h."""
    return struct.pack("=5Q4I 176x", 0, 0, 0, 0, limit, 0, 0, 0, _LOOP_AUTOCLEAR)


def _loop(image: Path) -> tuple[str, int]:
    """Attach an image to a loop device; return that, and a descriptor that keeps it."""
    file = os.open(image, os.O_RDWR | os.O_CLOEXEC)
    config = struct.pack("=II", file, 0) + _status() + bytes(64)  # struct loop_config
    try:
        while True:
            device, held = _free_loop()
            try:
                fcntl.ioctl(held, _LOOP_CONFIGURE, config)
                return device, held
            except OSError as err:
                os.close(held)
                if err.errno != errno.EBUSY:  # another process was faster
                    raise
    finally:
        os.close(file)


def _free_loop() -> tuple[str, int]:
    """Return a loop device that nobody uses yet, and a descriptor of it. Raises OSError."""
    control = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
    try:
        device = f"/dev/loop{fcntl.ioctl(control, _LOOP_GET_FREE)}"
    finally:
        os.close(control)
    return device, os.open(device, os.O_RDWR | os.O_CLOEXEC)


def _mount(what: str, where: Path, kind: str, flags: int = 0) -> None:
    _call(
        _libc.mount,
        what.encode(),
        os.fsencode(where),
        kind.encode(),
        ctypes.c_ulong(flags),
        None,
    )


def _call(function: ctypes._NamedFuncPointer, *arguments: object) -> None:
    if function(*arguments):
        code = ctypes.get_errno()
        raise OSError(code, f"{function.__name__}: {os.strerror(code)}", str(arguments))
