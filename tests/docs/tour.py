"""The README's console blocks: what is typed, and what comes, as a person sees it.

`make tour` types the lines of the README in a terminal of 80 columns and writes down what came.
The test does the same and compares; ids, times and sizes may differ.
"""

from __future__ import annotations

import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping
from fcntl import ioctl
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)

_BOLD = re.compile(r"\x1b\[[0-9;]*m")
#: What differs from one time to the next, and what stands in its place.
_VARYING = (
    (re.compile(r"(?<=  )\S[^\n]*…"), "…"),  # how much of a cell is left
    (re.compile(r"\b[a-z2-7]{16}\b"), "ID"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]"), "DATE "),
    (re.compile(r"\b\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)?"), "TIME"),
    (
        re.compile(
            r"(less than |<)?\b(\d+[dhms])*[\d.]+ ?(ms|[smhd]|[KMG]iB)\b( ago)?|\bjust now\b"
        ),
        "N",
    ),
    (re.compile(r"\b\d{2,}\b"), "N"),  # a process
    (re.compile(r"/\S*/work/"), "/work/"),
    (re.compile(r"[ ─━]{2,}"), " "),
)


def blocks(readme: str) -> list[list[tuple[str, str]]]:
    """Return each block as what was typed and what came."""
    return [_pairs(block) for block in BLOCK.findall(readme)]


def _pairs(block: str) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            pairs.append((line[2:], ""))
        else:
            typed, came = pairs.pop()
            pairs.append((typed, f"{came}{line}\n"))
    return pairs


def play(readme: str, folder: Path, env: Mapping[str, str]) -> str:
    """Return the README with what comes when its lines are typed in `folder`."""

    def played(found: re.Match[str]) -> str:
        lines = [f"$ {line}\n{run(line, folder, env)}" for line, _ in _pairs(found[1])]
        return f"```console\n{''.join(lines)}```"

    return BLOCK.sub(played, readme)


def run(line: str, folder: Path, env: Mapping[str, str]) -> str:
    """Return what a line prints in a terminal of 80 columns. Raises if it fails."""
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
    terminal = {**env, "TERM": "xterm", "NO_COLOR": "1"}
    terminal.pop("COLUMNS", None)
    with subprocess.Popen(
        ["bash", "-c", line],
        cwd=folder,
        env=terminal,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        output = b""
        while piece := _read(ours):
            output += piece
        os.close(ours)
    text = _BOLD.sub("", output.decode().replace("\r\n", "\n"))
    if process.returncode != 0:
        raise RuntimeError(f"{line}: exit code {process.returncode}\n{text}")
    return re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 65536)
    except OSError:  # how Linux says that the other side is closed
        return b""


def steady(text: str) -> str:
    """Return a text without what differs from one time to the next."""
    for pattern, instead in _VARYING:
        text = pattern.sub(instead, text)
    # Jobs that run side by side end in any order.
    return "\n".join(sorted(text.splitlines()))


def settings(folder: Path, bin_folder: Path) -> dict[str, str]:
    """Return the variables by which `jobctl` is this one, and `folder` is home."""
    bin_folder.mkdir(exist_ok=True)
    for name, arguments in (("jobctl", "-m jobctl "), ("python", "")):
        command = bin_folder / name
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments}"$@"\n')
        command.chmod(0o755)
    return {
        "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(README.parent),
        "HOME": str(folder),
        "TZ": "UTC",
    }


if __name__ == "__main__":
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as made:
        work = Path(made) / "work"
        work.mkdir()
        env = {**os.environ, **settings(work, Path(made) / "bin")}
        README.write_text(play(README.read_text("utf-8"), work, env), "utf-8")
