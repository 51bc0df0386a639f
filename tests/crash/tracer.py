"""A process that is stopped before each of its system calls that can change a disk.

strace does the same, and would need a Python that starts anew for each of thousands of points;
this one is forked from a process that has imported all. ptrace(2) with a filter of seccomp(2),
so that other calls cost nothing. The numbers are those of x86-64.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import struct
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, NoReturn

#: Calls that name what they change by a descriptor.
_BY_FD = {
    "write": 1, "pwrite64": 18, "writev": 20, "pwritev": 296, "pwritev2": 328, "sendfile": 40,
    "ftruncate": 77, "fallocate": 285, "fsync": 74, "fdatasync": 75, "fchmod": 91,
    "sync_file_range": 277, "syncfs": 306,
}  # fmt: skip
#: Calls that name it by a path, and which argument that is.
_BY_PATH = {
    "open": (2, 0), "creat": (85, 0), "truncate": (76, 0), "rename": (82, 0), "link": (86, 1),
    "symlink": (88, 1), "unlink": (87, 0), "mkdir": (83, 0), "rmdir": (84, 0), "chmod": (90, 0),
    "mknod": (133, 0), "openat": (257, 1), "mkdirat": (258, 1), "unlinkat": (263, 1),
    "renameat": (264, 1), "renameat2": (316, 1), "linkat": (265, 3), "symlinkat": (266, 2),
    "fchmodat": (268, 1), "mknodat": (259, 1), "utimensat": (280, 1),
}  # fmt: skip
_NAMES = {number: name for name, number in _BY_FD.items()} | {
    number: name for name, (number, _) in _BY_PATH.items()
}
_FLAGS = {"open": 1, "openat": 2}

_TRACEME, _CONT, _SYSCALL, _SETOPTIONS, _GET_SYSCALL_INFO = 0, 7, 24, 0x4200, 0x420E
_TRACESECCOMP, _EXITKILL = 1 << 7, 1 << 20
_EVENT_SECCOMP = signal.SIGTRAP | 7 << 8
_SET_SECCOMP, _FILTER = 22, 2
_WRITES = ("write", "pwrite64")
_WRITE_AND_WAIT = 7
PAGE = 4096

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
_libc.ptrace.restype = ctypes.c_long


def why_not() -> str | None:
    """Return why no process can be traced here, None if it can."""
    machine = platform.machine()
    return None if machine == "x86_64" else f"the system calls of {machine} are not known"


class Call(NamedTuple):
    """A system call that is about to be made, and the file that it is about."""

    name: str
    arguments: tuple[int, ...]
    path: str

    def __str__(self) -> str:
        return f"{self.name} {self.path}"


#: What a process does, with a function for what it tells.
Action = Callable[[Callable[[bytes], object]], object]


class Tracee:
    """A forked process that does something, and what of that is about files in `folder`."""

    def __init__(self, action: Action, folder: Path) -> None:
        self._folder = f"{folder}/"
        self._told, tell = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            os.close(self._told)
            _run(action, lambda said: os.write(tell, said))
        os.close(tell)
        #: Set when it has ended by itself.
        self.code: int | None = None
        os.waitpid(self.pid, 0)
        _ptrace(_SETOPTIONS, self.pid, 0, _TRACESECCOMP | _EXITKILL)

    def calls(self) -> Iterator[Call]:
        """Yield each call on the folder before it is made; it is made when one goes on."""
        signal_number = 0
        while True:
            _ptrace(_CONT, self.pid, 0, signal_number)
            status = os.waitpid(self.pid, 0)[1]
            signal_number = 0
            if not os.WIFSTOPPED(status):
                self.code = os.waitstatus_to_exitcode(status)
                return
            if status >> 8 != _EVENT_SECCOMP:
                signal_number = os.WSTOPSIG(status)
                continue
            call = self._call()
            if call is not None:
                yield call

    def can_halve(self, call: Call) -> bool:
        """Return whether a call writes more than one byte."""
        return call.name in _WRITES and call.arguments[2] > 1

    def make_half(self, call: Call) -> None:
        """Let the write that it stands before write half of its bytes, and no more."""
        start, end = self._extent(call)
        # Beyond the limit nothing is written (setrlimit(2)): Python ignores the signal.
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (start + (end - start) // 2, -1))
        self.make(call)

    def crosses_page(self, call: Call) -> bool:
        """Return whether a call writes to more than one page of a file."""
        if call.name not in _WRITES or not call.arguments[2]:
            return False
        start, end = self._extent(call)
        return start // PAGE < (end - 1) // PAGE

    def make_last_page(self, call: Call) -> None:
        """Let it make its write, of which only the last page comes to the disk."""
        _, end = self._extent(call)
        self.make(call)
        fd = os.open(f"/proc/{self.pid}/fd/{call.arguments[0]}", os.O_WRONLY)
        try:
            page = ctypes.c_long((end - 1) // PAGE * PAGE)
            if _libc.sync_file_range(fd, page, ctypes.c_long(PAGE), _WRITE_AND_WAIT):
                raise OSError(ctypes.get_errno(), "sync_file_range")
        finally:
            os.close(fd)

    def _extent(self, call: Call) -> tuple[int, int]:
        """Return where a write begins and ends in its file."""
        fd, _, size, at, *_ = call.arguments
        if call.name == "write":
            at = os.stat(f"/proc/{self.pid}/fd/{fd}").st_size  # all are appended
        return at, at + size

    def make(self, call: Call) -> None:
        """Let it make the call that it stands before, and no more."""
        _ptrace(_SYSCALL, self.pid, 0, 0)
        os.waitpid(self.pid, 0)

    def end(self) -> bytes:
        """Kill it, if it is still there; return what it has told."""
        if self.code is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        with os.fdopen(self._told, "rb") as told:
            return told.read()

    def _call(self) -> Call | None:
        """Return the call that it stands before; None if it is about something else."""
        info = ctypes.create_string_buffer(88)
        _ptrace(_GET_SYSCALL_INFO, self.pid, len(info), ctypes.addressof(info))
        number, *arguments = struct.unpack_from("=7Q", info, 24)
        name = _NAMES[number]
        if name in _FLAGS and not arguments[_FLAGS[name]] & os.O_CREAT:
            return None
        if name in _BY_FD:
            path = os.readlink(f"/proc/{self.pid}/fd/{arguments[0]}")
        else:
            path = self._string(arguments[_BY_PATH[name][1]])
        if not f"{path}/".startswith(self._folder) and (name in _BY_FD or path[:1] == "/"):
            return None  # other paths are names within a folder that is open
        return Call(name, tuple(arguments), path.removeprefix(self._folder))

    def _string(self, address: int) -> str:
        if not address:
            return ""
        with open(f"/proc/{self.pid}/mem", "rb", buffering=0) as memory:
            page = PAGE - address % PAGE
            text = os.pread(memory.fileno(), page, address)
            if b"\0" not in text:
                text += os.pread(memory.fileno(), PAGE, address + page)
        return os.fsdecode(text.partition(b"\0")[0])


def _run(action: Action, tell: Callable[[bytes], object]) -> NoReturn:
    code = 1
    try:
        _ptrace(_TRACEME, 0, 0, 0)
        os.kill(os.getpid(), signal.SIGSTOP)
        _watch(sorted(_NAMES))
        action(tell)
        code = 0
    except BaseException:  # it must not come back as a second parent
        traceback.print_exc(file=sys.stderr)
    finally:
        os._exit(code)


def _watch(numbers: list[int]) -> None:
    """Have this process stop before each of these calls."""
    count = len(numbers)
    code = [(0x20, 0, 0, 0)]  # the number of the call
    code += [(0x15, count - at, 0, number) for at, number in enumerate(numbers)]
    code += [(0x06, 0, 0, 0x7FFF0000), (0x06, 0, 0, 0x7FF00000)]  # let it go; stop it
    text = b"".join(struct.pack("=HBBI", *one) for one in code)
    program = ctypes.create_string_buffer(text, len(text))
    head = ctypes.create_string_buffer(struct.pack("@HP", len(code), ctypes.addressof(program)))
    if _libc.prctl(_SET_SECCOMP, _FILTER, head):
        raise OSError(ctypes.get_errno(), "seccomp")


def _ptrace(request: int, pid: int, address: int, data: int) -> None:
    if _libc.ptrace(request, pid, address, data) < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"ptrace {request}: {os.strerror(code)}")
