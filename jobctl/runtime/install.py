"""What a unit has to know of this machine, and where it is put."""

from __future__ import annotations

import grp
import os
import pwd
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from jobctl.errors import ConfigError, Conflict
from jobctl.runtime.unit import is_untouched

_SYSTEM = Path("/etc/systemd/system")


def systemd_version() -> int:
    """Return the version of this machine's systemd, 0 if there is none."""
    program = shutil.which("systemctl")
    if program is None:
        return 0
    try:
        done = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0
    found = re.match(r"systemd (\d+)", done.stdout)
    return int(found[1]) if found else 0


def code_folders() -> list[Path]:
    """Return the folders that Python and jobctl are read from."""
    package = Path(__file__).resolve().parents[2]
    return [Path(sys.prefix), Path(sys.base_prefix).resolve(), package]


def owner(run_as: str | None, *places: Path) -> tuple[str, str] | None:
    """Return the user and the group that the daemon runs as; None if that is root.

    That is `run_as`, else the owner of the first place that exists. Raises ConfigError for
    a user that nobody knows.
    """
    if run_as is not None:
        try:
            user = pwd.getpwnam(run_as)
        except KeyError:
            raise ConfigError(f"--run-as {run_as!r}: there is no such user") from None
        return None if user.pw_uid == 0 else (user.pw_name, _group(user.pw_gid))
    for place in places:
        try:
            info = place.stat()
        except OSError:
            continue
        return None if info.st_uid == 0 else (_user(info.st_uid), _group(info.st_gid))
    return None


def _user(uid: int) -> str:
    with suppress(KeyError):
        return pwd.getpwuid(uid).pw_name
    return str(uid)


def _group(gid: int) -> str:
    with suppress(KeyError):
        return grp.getgrgid(gid).gr_name
    return str(gid)


def unit_path(name: str, *, user: bool, environ: Mapping[str, str]) -> Path:
    """Return where systemd looks for the unit: the machine's, or that of one user."""
    if not user:
        return _SYSTEM / f"{name}.service"
    home = environ.get("XDG_CONFIG_HOME", "")
    base = Path(home) if os.path.isabs(home) else Path.home() / ".config"
    return base / "systemd" / "user" / f"{name}.service"


def write(path: Path, text: str, *, force: bool) -> None:
    """Put a unit in place, whole or not at all.

    Raises Conflict for one that is not as we wrote it, unless `force`; ConfigError if the
    folder cannot be written.
    """
    if not force and os.path.lexists(path) and not _is_ours(path):
        raise Conflict(
            f"{path} was not written by this command, or was changed since: keep your changes "
            f"with `systemctl edit`, or replace it with --force"
        )
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            draft.write_text(text, encoding="utf-8")
            draft.chmod(0o644)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as err:
        raise ConfigError(
            f"{path}: {err.strerror}. Run it as root, or make a unit of your own with --user"
        ) from err


def _is_ours(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    try:
        return is_untouched(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return False
