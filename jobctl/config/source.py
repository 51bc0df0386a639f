"""One file of configuration: whether it may be trusted, its text, and its lines."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from functools import cached_property
from pathlib import Path
from typing import Any

from jobctl.config.model import Fault, Key

MAX_SIZE = 4 * 1024 * 1024

# Compiled when something is wrong, and not before.
_PLACE = r" \(at (?:line (\d+), column (\d+)|end of document)\)$"
_BARE = r"[A-Za-z0-9_-]+"


class _Refused(Exception):
    """Why a file cannot be used, and the line if it has one."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


class Source:
    """A file, what is written in it, and all that is wrong with it.

    `tables` is empty if the file cannot be used; `faults` then says why. It is parsed when
    these are asked for: who wants to know the line of a key has read it before.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.faults: list[Fault] = []
        self.faulty: list[Key] = []  # where the faults are
        self._text = ""
        self._lines: dict[Key, int] | None = None
        try:
            self._text = _decode(_read(path))
        except _Refused as err:
            self._refuse(err)

    @cached_property
    def tables(self) -> dict[str, Any]:
        """What is written in it."""
        try:
            return _parse(self._text)
        except _Refused as err:
            self._refuse(err)
            return {}

    def _refuse(self, err: _Refused) -> None:
        self.faults.append(Fault(str(self.path), err.line, "", str(err)))

    def fault(self, key: Key, message: str) -> None:
        """Note that something is wrong with what stands under `key`."""
        self.faulty.append(key)
        name = ".".join(k if re.fullmatch(_BARE, k) else f'"{k}"' for k in key)
        self.faults.append(Fault(str(self.path), self.line(key), name, message))
        self.faults.sort(key=lambda fault: fault.line or 0)

    def line(self, key: Key) -> int | None:
        """Return the line of a key, or of the nearest table around it."""
        if self._lines is None:
            from jobctl.config.locate import locate

            self._lines = locate(self._text)
        for length in range(len(key), 0, -1):
            if (line := self._lines.get(key[:length])) is not None:
                return line
        return None


def _read(path: Path) -> bytes:
    try:
        # A FIFO would block for ever; it is no regular file and is refused below.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode):
                raise _Refused("not a regular file: name a TOML file")
            # A link is as safe as the folder it stands in and the one it leads to.
            for folder in {path.parent, path.resolve().parent}:
                _check_folder(folder, found)
            _check_file(path, found)
            with open(fd, "rb", closefd=False) as file:
                content = file.read(MAX_SIZE + 1)
        finally:
            os.close(fd)
    except FileNotFoundError:
        raise _Refused("no such file") from None
    except (OSError, ValueError, RuntimeError) as err:
        reason = getattr(err, "strerror", None) or str(err)
        raise _Refused(f"cannot be read: {reason}") from None
    if len(content) > MAX_SIZE:
        raise _Refused(f"too large: over {MAX_SIZE:,} bytes")
    return content


# Who can write this file decides which programs run, so nobody else may: neither by the
# file's mode, nor by putting another file in its place.


def _check_file(path: Path, found: os.stat_result) -> None:
    if _open_to_others(found):
        raise _Refused(f"others may write it, and so run programs as you: chmod go-w {path}")


def _check_folder(folder: Path, file: os.stat_result) -> None:
    found = os.stat(folder)
    # In a sticky folder, such as /tmp, everyone can only replace files of his own.
    if _open_to_others(found) and not found.st_mode & stat.S_ISVTX:
        raise _Refused(f"others may write in its folder and replace it: chmod go-w {folder}")
    me = os.geteuid()
    trusted = {0, me}
    if me == 0:  # root acts for the owner of a folder, but not for a guest in it
        trusted.add(found.st_uid)
    if file.st_uid not in trusted:
        raise _Refused(
            f"belongs to another user ({file.st_uid}), who could run programs as you: "
            "name a file of your own with --config"
        )


def _open_to_others(found: os.stat_result) -> bool:
    if found.st_mode & stat.S_IWOTH:
        return True
    return bool(found.st_mode & stat.S_IWGRP) and not _private_group(found)


def _private_group(found: os.stat_result) -> bool:
    """Return whether the group is the owner's alone, as where the umask is 002."""
    import grp
    import pwd

    if found.st_uid == 0:
        return False
    try:
        owner = pwd.getpwuid(found.st_uid)
        group = grp.getgrgid(found.st_gid)
    except KeyError:
        return False
    return group.gr_name == owner.pw_name and set(group.gr_mem) <= {owner.pw_name}


def _decode(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        line = content[: err.start].count(b"\n") + 1
        raise _Refused("not UTF-8: save it as UTF-8", line) from None


def _parse(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as err:
        message, line = _place(str(err), text)
        raise _Refused(f"not TOML: {message}", line) from None
    except RecursionError:
        raise _Refused("not usable: lists or tables are nested too deeply") from None
    except ValueError as err:  # a number of more digits than Python converts
        raise _Refused(f"not usable: {err}") from None


def _place(message: str, text: str) -> tuple[str, int | None]:
    match = re.search(_PLACE, message)
    if match is None:
        return message, None
    message = message[: match.start()]
    if match[1] is None:
        return f"{message} at the end of the file", text.rstrip().count("\n") + 1
    return f"{message} (column {match[2]})", int(match[1])
