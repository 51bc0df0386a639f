"""The unit file under which systemd runs the daemon.

Only what systemd 252 (Debian 12) knows; what is newer is used if the machine has it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from math import ceil
from pathlib import Path
from zlib import crc32

import msgspec

from jobctl.errors import ConfigError

#: Seconds within which the loop must show that it moves.
WATCHDOG = 60
#: Seconds that the import of handlers and the recovery of jobs may take.
START = 300
#: Seconds between an end that was not asked for and the next start.
PAUSE = 5
#: Exit codes that another start would only repeat: the configuration, or the handlers.
HOPELESS = 2
#: From this version of systemd on a reload is a signal of systemd's own.
RELOADS = 253
STATE = Path("/var/lib")

_HOMES = (Path("/home"), Path("/root"), Path("/run/user"))
_TEMPORARY = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - only asked whether a path is below
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_PLAIN = re.compile(r"[A-Za-z0-9_./:=@,+-]+")
_MARK = re.compile(r"# Written by `jobctl systemd`[^\n]* ([0-9a-f]{8})\n")

# What any user's own manager can do too.
_FOR_ALL = """\
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
"""
# The network stays, as do /proc/sys (the boot id) and memory that is written and then run
# (ctypes, numba and the like).
_FOR_THE_SYSTEM = """\
ProtectSystem=strict
PrivateDevices=yes
DevicePolicy=closed
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
RemoveIPC=yes
KeyringMode=private
RestrictNamespaces=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
CapabilityBoundingSet=
AmbientCapabilities=
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
"""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a unit is made of. All paths are absolute.

    `python` is what runs jobctl, `code` the folders that it is read from. `owner` is the
    (user, group) that the daemon runs as, None for root. `store` is None if it is no
    folder. `stop` is how many seconds a stop may take. `version` is that of systemd, 0 if
    it is not known.
    """

    name: str
    python: str
    code: Sequence[Path]
    arguments: Sequence[str]
    folder: Path
    store: Path | None
    stop: float
    write_paths: Sequence[Path] = ()
    owner: tuple[str, str] | None = None
    user: bool = False
    version: int = 0


def render(plan: Plan) -> str:
    """Return the text of a unit. Raises ConfigError for what cannot stand in one."""
    if not _NAME.fullmatch(plan.name):
        raise ConfigError(f"--name {plan.name!r}: use letters, digits, `-`, `_` and `.`")
    parts = ["\n".join(_head(plan)), "\n".join(_service(plan)), _install(plan)]
    body = "\n\n".join(parts) + "\n"
    edit = f"systemctl{' --user' if plan.user else ''} edit {plan.name}"
    return (
        f"# Written by `jobctl systemd`; for changes of your own: {edit}. {_sum(body)}\n{body}"
    )


def is_untouched(text: str) -> bool:
    """Return whether a unit is one of ours that nobody has changed."""
    mark = _MARK.match(text)
    return mark is not None and mark[1] == _sum(text[mark.end() :])


def _sum(body: str) -> str:
    return f"{crc32(body.encode()):08x}"


def _head(plan: Plan) -> Iterator[str]:
    yield "[Unit]"
    yield "Description=jobctl: background jobs and schedules"
    needed = [plan.folder, *([plan.store] if plan.store else []), *plan.write_paths]
    yield f"RequiresMountsFor={' '.join(word(path) for path in needed)}"
    if not plan.user:
        # Stopped before the network goes. Not started after it has come: jobs are retried.
        yield "After=network.target"


def _service(plan: Plan) -> Iterator[str]:
    yield "[Service]"
    if plan.version >= RELOADS:
        yield "Type=notify-reload"
    else:
        yield "Type=notify"
        yield "ExecReload=/bin/kill -HUP $MAINPID"
    yield "NotifyAccess=main"
    if plan.owner:
        yield f"User={plan.owner[0]}"
        yield f"Group={plan.owner[1]}"
    yield f"WorkingDirectory={whole(plan.folder)}"
    if not plan.user and plan.store is not None and _state(plan.store) is None:
        yield f"ExecStartPre=+{_make(plan.store, plan.owner)}"
    # -P: what lies in the working directory must not stand in for a module of ours.
    command = [argument(plan.python, program=True), "-P", "-m", "jobctl", "run"]
    yield f"ExecStart={' '.join([*command, *map(argument, plan.arguments)])}"
    yield f"SyslogIdentifier={plan.name}"
    yield f"TimeoutStartSec={START}"
    yield f"TimeoutStopSec={ceil(plan.stop)}"
    yield "TimeoutAbortSec=10"
    yield f"WatchdogSec={WATCHDOG}"
    yield "Restart=on-failure"
    yield f"RestartSec={PAUSE}"
    yield f"RestartPreventExitStatus={HOPELESS}"
    yield "OOMPolicy=continue"
    yield "KillMode=mixed"
    yield "UMask=0077"
    yield from _state_lines(plan)
    yield ""
    yield _FOR_ALL.rstrip()
    if not plan.user:
        yield _FOR_THE_SYSTEM.rstrip()
        if plan.owner is None:
            # Without capabilities root may do none of these either.
            yield "SystemCallFilter=~@privileged @resources"
        yield from _places(plan)


def _state_lines(plan: Plan) -> Iterator[str]:
    if plan.user:  # it would be ~/.config/NAME, where configuration is
        return
    inside = _state(plan.store) if plan.store else None
    yield f"StateDirectory={word(inside) if inside else plan.name}"
    yield "StateDirectoryMode=0700"


def _state(store: Path) -> Path | None:
    """Return the store's path below /var/lib, None if it is elsewhere."""
    return store.relative_to(STATE) if STATE in store.parents else None


def _places(plan: Plan) -> Iterator[str]:
    writable = [word(path) for path in plan.write_paths]
    if plan.store is not None and _state(plan.store) is None:
        # `-`: it need not be there yet when ExecStartPre comes to make it.
        writable.insert(0, word(plan.store, "-"))
    if writable:
        yield f"ReadWritePaths={' '.join(writable)}"
    used = [*plan.code, plan.folder, *([plan.store] if plan.store else []), *plan.write_paths]
    yield f"ProtectHome={'read-only' if _any_below(used, _HOMES) else 'yes'}"
    yield f"PrivateTmp={'no' if _any_below(used, _TEMPORARY) else 'yes'}"


def _any_below(paths: Sequence[Path], folders: Sequence[Path]) -> bool:
    return any(folder in (path, *path.parents) for path in paths for folder in folders)


def _make(store: Path, owner: tuple[str, str] | None) -> str:
    """Return the command that makes the store's folder, before the sandbox closes.

    It runs as the owner: root must not follow what he may have linked there.
    """
    become = ""
    if owner:
        user, group = owner
        become = f"/usr/bin/setpriv --reuid={user} --regid={group} --clear-groups "
    return f"{become}/bin/mkdir -p -m 0700 {argument(str(store))}"


def _install(plan: Plan) -> str:
    return f"[Install]\nWantedBy={'default.target' if plan.user else 'multi-user.target'}"


# -- how systemd reads ----------------------------------------------------------------------


def argument(text: str, *, program: bool = False) -> str:
    """Return one argument of a command line: systemd.service(5), Command lines."""
    text = _printable(text).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    if not program:  # of which no variables are read
        text = text.replace("$", "$$")
    return text if _PLAIN.fullmatch(text) else f'"{text}"'


def word(path: Path, prefix: str = "") -> str:
    """Return one of several paths in a line, where quotes count and backslashes do not."""
    text = prefix + whole(path)
    if _PLAIN.fullmatch(text):
        return text
    quote = next((mark for mark in "\"'" if mark not in text), None)
    if quote is None:
        raise ConfigError(f"{text!r} has both kinds of quotes: systemd cannot be told of it")
    return f"{quote}{text}{quote}"


def whole(path: Path) -> str:
    """Return a path that is all of its line, where nothing is a quote."""
    text = _printable(str(path))
    if text.endswith(("\\", " ")):
        raise ConfigError(f"{text!r} ends in a way that systemd cannot be told of")
    return text.replace("%", "%%")


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ConfigError(f"{text!r} has characters that a unit cannot hold")
    return text
