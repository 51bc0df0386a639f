"""Shell jobs: a command with its arguments, where it runs, and its environment.

No shell interprets the command: whoever wants one runs `sh -c`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from jobctl.core.data import plain, show
from jobctl.errors import InvalidJob

#: What a shell job keeps of the environment in which it is added, LC_* besides.
KEPT = ("PATH", "HOME", "LANG", "TZ")

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._@-]+")
_VARIABLE = re.compile(r"[^=\0]+")


def kept(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the part of an environment that a shell job keeps."""
    return {
        name: value for name, value in environ.items() if name in KEPT or name.startswith("LC_")
    }


def shell_of(argv: Any, cwd: Any, env: Mapping[Any, Any], *, max_data: int) -> dict[str, Any]:
    """Return the `shell` field of a job. Raises InvalidJob."""
    if isinstance(argv, (str, bytes)) or not isinstance(argv, Sequence) or not argv:
        raise InvalidJob(
            f"shell {show(argv)} is refused: give the command and its arguments as a list "
            '(for a line of shell: ["sh", "-c", line])'
        )
    for n, word in enumerate(argv):
        if not isinstance(word, str) or "\0" in word or not (word or n):
            raise InvalidJob(f"shell[{n}] {show(word)} is refused: use text without NUL")
    if not isinstance(cwd, str) or not cwd.startswith("/") or "\0" in cwd:
        raise InvalidJob(f"cwd {show(cwd)} is refused: use an absolute path")
    for name, value in env.items():
        if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
            raise InvalidJob(f"env {show(name)} is refused: a variable's name has no =")
        if not isinstance(value, str) or "\0" in value:
            raise InvalidJob(f"env.{name} {show(value)} is refused: use text without NUL")
    field = {"argv": list(argv), "cwd": cwd, "env": dict(env)}
    checked: dict[str, Any] = plain(field, "shell", max_data)
    return checked


def shell_from(field: Any, *, max_data: int) -> dict[str, Any]:
    """Return the `shell` field of a job's record, checked. Raises InvalidJob."""
    if not isinstance(field, dict) or set(field) != {"argv", "cwd", "env"}:
        raise InvalidJob(f"shell {show(field)} is refused: give argv, cwd and env")
    if not isinstance(field["env"], dict):
        raise InvalidJob(f"shell.env {show(field['env'])} is refused: give an object")
    return shell_of(field["argv"], field["cwd"], field["env"], max_data=max_data)


def default_name(argv: Sequence[str]) -> str:
    """Return the name of a shell job that was given none: the command's last part."""
    last = PurePath(str(argv[0])).name if argv else ""
    return _NOT_IN_NAMES.sub("-", last).lstrip("._@-")[:128] or "shell"
