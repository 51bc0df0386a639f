"""A machine that is booted for the tests: an overlay of this one's files, kept in memory."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import eventually
from tests.systemd.cgroups import own_cgroups

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
#: Names that a unit has to quote: spaces, a percent sign.
APP = Path("/srv/my app 100%")
OUT = Path("/srv/out put")
#: The examples, and the one folder that they write to.
EXAMPLES, FILES = Path("/srv/examples"), Path("/srv/files")
#: Any user of a plain Debian who is not root.
UID, GID, HOME = 34, 34, Path("/var/backups")

JOBS_TOML = """\
[run]
handlers = ["handlers"]
concurrency = 4
shutdown_timeout = "2s"
kill_after = "1s"
timeout = "20m"
"""
# So that the tests need not wait for a minute. The path is for those who have not installed
# the package but run it from here.
DROP_IN = f"""\
[Unit]
StartLimitIntervalSec=0
[Service]
WatchdogSec=1
RestartSec=100ms
Environment=PYTHONPATH={REPOSITORY}
"""
TARGET = """\
[Unit]
Requires=basic.target {boot}.service
Wants={wants}
After=basic.target
"""
SERVICE = """\
[Unit]
After=basic.target
# If nobody is left to switch it off, the machine ends by itself.
SuccessAction=exit-force
FailureAction=exit-force
[Service]
Type=oneshot
TimeoutStartSec=150
Environment=PYTHONPATH={repository}
Environment=PYTHONDONTWRITEBYTECODE=1
ExecStart="{python}" "{inside}" {boot} "{python}" "{app}"
"""


class Machine:
    """The files of a machine, and a way to boot it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.root = folder / "root"

    def write(self, path: Path | str, text: str) -> None:
        """Write a file of the machine."""
        target = self.root / str(path).lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def boot(self, name: str, wants: str = "") -> Any:
        """Boot, let inside.py do its task, and return the facts that it wrote down.

        Then the machine is switched off, without a word to anything that runs there.
        """
        units = "/etc/systemd/system"
        self.write(f"{units}/{name}.target", TARGET.format(boot=name, wants=wants))
        service = SERVICE.format(
            boot=name,
            python=sys.executable,
            inside=HERE / "inside.py",
            app=str(APP).replace("%", "%%"),
            repository=REPOSITORY,
        )
        self.write(f"{units}/{name}.service", service)
        with own_cgroups() as enter:
            said = self._run(name, enter)
        facts = self.root / f"facts-{name}.json"
        if not facts.exists() and "running in system mode" not in said:
            pytest.skip(f"systemd-nspawn cannot boot a machine here: {said[-300:].strip()}")
        assert facts.exists(), f"the machine ended before its time: {said[-4000:]}"
        return json.loads(facts.read_text())

    def _run(self, name: str, enter: list[str]) -> str:
        """Have the machine on until it has written its facts, and return what it said."""
        command = [*enter, "systemd-nspawn", "-q", "-D", str(self.root), "--register=no"]
        command += ["--keep-unit", "--private-network", "--console=pipe", *_hidden(), "-b"]
        command += [f"systemd.unit={name}.target", "systemd.show_status=0"]
        facts = self.root / f"facts-{name}.json"
        with (self._folder / f"{name}.out").open("wb") as out:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )
        try:
            eventually(lambda: facts.exists() or process.poll() is not None, timeout=120)
        finally:
            # Its first process takes all others along; without one nspawn ends by itself.
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
            for pid in children.read_text().split() if process.poll() is None else ():
                os.kill(int(pid), signal.SIGKILL)
            process.wait(timeout=10)
        return (self._folder / f"{name}.out").read_text(errors="replace")


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A machine with an application that is a user's, and handlers in it."""
    why = _why_not()
    if why:
        pytest.skip(why)
    mount = ("mount", "-t", "tmpfs", "tmpfs", str(tmp_path))
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        for name in ("upper", "work", "root"):
            (tmp_path / name).mkdir()
        options = f"lowerdir=/,upperdir={tmp_path}/upper,workdir={tmp_path}/work"
        command = ("mount", "-t", "overlay", "overlay", "-o", options, str(tmp_path / "root"))
        if subprocess.run(command, capture_output=True).returncode:
            pytest.skip("an overlay of / cannot be mounted here")
        made = Machine(tmp_path)
        _furnish(made)
        yield made
    finally:
        subprocess.run(["umount", "-q", str(tmp_path / "root")])
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def _why_not() -> str:
    if os.geteuid() != 0:
        return "needs root, to boot a machine"
    for program in ("systemd-nspawn", "systemctl", "journalctl", "systemd-analyze"):
        if shutil.which(program) is None:
            return f"needs {program}"
    if not Path("/lib/systemd/systemd").exists():
        return "needs systemd itself, to boot a machine with"
    return ""


def _hidden() -> list[str]:
    """Return how to show what the machine's own, empty /tmp and /run would hide.

    Without it a checkout below /tmp is not there in the machine, and nothing runs.
    """
    places = {Path(sys.prefix), Path(sys.base_prefix).resolve(), REPOSITORY}
    hidden = {place for place in places if place.parts[1] in ("tmp", "run", "dev")}
    return [f"--bind-ro={str(place).replace(':', chr(92) + ':')}" for place in sorted(hidden)]


def _furnish(machine: Machine) -> None:
    machine.write(APP / "jobs.toml", JOBS_TOML)
    machine.write(APP / "handlers.py", (HERE / "handlers.txt").read_text())
    machine.write("/etc/systemd/system/jobs.service.d/test.conf", DROP_IN)
    machine.write("/etc/systemd/user/mine.service.d/test.conf", DROP_IN)
    for path in (REPOSITORY / "examples").iterdir():
        if path.is_file():
            machine.write(EXAMPLES / path.name, path.read_text())
    for folder in (APP, OUT, HOME, EXAMPLES, FILES):
        inside = machine.root / str(folder).lstrip("/")
        inside.mkdir(exist_ok=True)
        for path in (inside, *inside.iterdir()):
            os.chown(path, UID, GID, follow_symlinks=False)
    # The Python of these tests may stand where only root may look.
    for place in (sys.executable, os.path.realpath(sys.executable), REPOSITORY / "x"):
        for parent in Path(place).parents:
            inside = machine.root / str(parent).lstrip("/")
            if not inside.stat().st_mode & 0o001:
                inside.chmod(0o755)
    (machine.root / "etc/machine-id").unlink(missing_ok=True)
