"""Runs inside the machine as its only task, and writes down what it sees.

The first boot installs the unit and leads it through its life, the second one finds what
the first left. Nothing is judged here: the test reads the facts.
"""

from __future__ import annotations

import json
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.systemd import examples_inside

UNIT = "jobs"
FACTS: dict[str, Any] = {}


def main(boot: str, python: str, app: str) -> None:
    os.chdir(app)
    machine = Machine(python)
    steps = FIRST if boot == "first" else SECOND
    try:
        for step in steps:
            began = time.monotonic()
            step(machine)
            FACTS.setdefault("took", {})[step.__name__] = round(time.monotonic() - began, 2)
    except BaseException as err:
        FACTS["failed"] = f"{type(err).__name__}: {err}"
        FACTS["state"] = machine.show()
    FACTS["journal"] = machine.journal()
    everything = ["journalctl", "-b", "--no-pager", "-o", "short-monotonic"]
    FACTS["everything"] = subprocess.run(everything, capture_output=True, text=True).stdout
    draft = Path(f"/facts-{boot}.new")
    draft.write_text(json.dumps(FACTS))
    draft.rename(f"/facts-{boot}.json")
    time.sleep(20)  # switched off meanwhile, with all that runs


class Machine:
    """What the steps do here."""

    def __init__(self, python: str) -> None:
        self.jobctl_command = [python, "-P", "-m", "jobctl"]

    def jobctl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.jobctl_command, *arguments], capture_output=True, text=True
        )

    def add(self, name: str, **data: Any) -> str:
        done = self.jobctl("add", name, json.dumps(data))
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def job(self, job_id: str) -> Any:
        done = self.jobctl("show", job_id, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def ended(self, job_id: str) -> Any:
        self.jobctl("wait", job_id, "--timeout", "20s")
        return self.job(job_id)

    def systemctl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["systemctl", *arguments], capture_output=True, text=True)

    def show(self, unit: str = UNIT) -> dict[str, str]:
        names = "ActiveState,SubState,MainPID,NRestarts,Result,StatusText,ExecMainStatus"
        names += ",OOMPolicy,KillMode,TimeoutStopUSec"
        lines = self.systemctl("show", unit, "-p", names).stdout.splitlines()
        return dict(line.split("=", 1) for line in lines)

    def pid(self) -> int:
        return int(self.show()["MainPID"])

    def journal(self) -> list[dict[str, Any]]:
        command = ["journalctl", "-b", "-o", "json", "-u", UNIT, "--no-pager"]
        lines = subprocess.run(command, capture_output=True, text=True).stdout.splitlines()
        entries = [json.loads(line) for line in lines]
        return [
            {key: entry.get(key) for key in ("PRIORITY", "MESSAGE", "_SYSTEMD_UNIT")}
            for entry in entries
        ]


def until(check: Callable[[], Any], what: str, seconds: float = 20) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.02)
    return found


def running(machine: Machine, job_id: str) -> Any:
    def check() -> Any:
        job = machine.job(job_id)
        return job if job["status"] == "running" else None

    return until(check, f"{job_id} runs")


# -- the first boot -------------------------------------------------------------------------


def install(machine: Machine) -> None:
    arguments = ("--name", UNIT, "--write-path", "/srv/out put")
    done = machine.jobctl("systemd", "install", *arguments)
    FACTS["install"] = {"code": done.returncode, "out": done.stdout, "err": done.stderr}
    unit = done.stdout.strip()
    verify = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
    FACTS["verify"] = verify.stdout + verify.stderr
    machine.systemctl("daemon-reload")
    FACTS["enable"] = machine.systemctl("enable", UNIT).returncode


def start(machine: Machine) -> None:
    machine.systemctl("start", "--no-block", UNIT)
    until(Path(f"/var/lib/{UNIT}/importing").exists, "the handlers are imported")
    FACTS["importing"] = machine.show()
    FACTS["importing health"] = machine.jobctl("health", "--json").returncode
    Path("/run/go").touch()
    until(lambda: machine.show()["ActiveState"] == "active", "active")
    FACTS["active"] = machine.show()


def run_a_job(machine: Machine) -> None:
    FACTS["look"] = machine.ended(machine.add("look", declared="/srv/out put"))
    FACTS["doomed"] = machine.ended(machine.add("doomed"))
    health = machine.jobctl("health", "--json")
    FACTS["health"] = {"code": health.returncode, "out": json.loads(health.stdout)}
    FACTS["store mode"] = oct(Path(".jobctl").stat().st_mode & 0o777)
    until(lambda: "1 failed" in machine.show()["StatusText"], "a status line with counts")
    FACTS["status"] = machine.show()["StatusText"]


def change_code(machine: Machine) -> None:
    """Reload with new code, and with code that is broken, while a job runs."""
    path, pid = Path("handlers.py"), machine.pid()
    long = machine.add("until", path="/run/enough")
    running(machine, long)
    seen = FACTS["reload"] = {"before": machine.ended(machine.add("version"))["result"]}
    code = path.read_text()
    path.write_text(code.replace("VERSION = 1", "VERSION = 2"))
    seen["code"] = machine.systemctl("reload", UNIT).returncode

    def version() -> int:
        found: int = machine.ended(machine.add("version"))["result"]
        return found

    until(lambda: version() == 2, "the new code is used")
    path.write_text("import nothing_of_that_name\n")
    machine.systemctl("reload", UNIT)
    until(lambda: "the old handlers stay" in str(machine.journal()), "a word of it")
    seen["broken"] = version()
    seen["running"] = machine.job(long)["status"]
    path.write_text(code)
    Path("/run/enough").touch()
    seen["long"] = machine.ended(long)
    seen["same daemon"] = machine.pid() == pid
    machine.systemctl("reload", UNIT)
    until(lambda: version() == 1, "the old code is used again")


def crash(machine: Machine) -> None:
    job_id = machine.add("second-time", mark="crash")
    running(machine, job_id)
    until(Path(f"/var/lib/{UNIT}/crash").exists, "the handler has begun")
    os.kill(machine.pid(), signal.SIGKILL)
    until(lambda: machine.show()["NRestarts"] == "1", "a restart")
    FACTS["crash"] = machine.ended(job_id)


def watchdog(machine: Machine) -> None:
    until(lambda: machine.show()["ActiveState"] == "active", "active")
    job_id = machine.add("second-time", mark="watchdog")
    until(Path(f"/var/lib/{UNIT}/watchdog").exists, "the handler has begun")
    began = time.monotonic()
    os.kill(machine.pid(), signal.SIGSTOP)
    until(lambda: machine.show()["NRestarts"] == "2", "a restart by the watchdog")
    FACTS["watchdog took"] = time.monotonic() - began
    FACTS["watchdog"] = machine.ended(job_id)


def idle(machine: Machine) -> None:
    """Stay up for longer than the watchdog allows, with nothing to do."""
    before = machine.pid()
    time.sleep(3)
    FACTS["idle"] = machine.pid() == before


def stop(machine: Machine) -> None:
    short, long = machine.add("nap", seconds=1), machine.add("nap", seconds=600)
    running(machine, short)
    running(machine, long)
    FACTS["stop"] = {"code": machine.systemctl("stop", UNIT).returncode, **machine.show()}
    FACTS["drained"], FACTS["released"] = machine.job(short), machine.job(long)
    FACTS["stopped health"] = machine.jobctl("health", "--json").returncode
    machine.jobctl("cancel", long)


def refuse(machine: Machine) -> None:
    """Start with handlers that do not import: no start after it could go better."""
    code = Path("handlers.py").read_text()
    Path("handlers.py").write_text("import nothing_of_that_name\n")
    machine.systemctl("start", UNIT)
    until(lambda: machine.show()["ActiveState"] == "failed", "failed")
    FACTS["refused"] = machine.show()
    Path("handlers.py").write_text(code)


def own(machine: Machine) -> None:
    """Do the same in a user's own systemd, as far as that goes."""
    user = pwd.getpwuid(Path.cwd().stat().st_uid)
    runtime = f"/run/user/{user.pw_uid}"
    become = ["setpriv", f"--reuid={user.pw_name}", f"--regid={user.pw_gid}", "--init-groups"]
    become += ["env", f"HOME={user.pw_dir}", f"XDG_RUNTIME_DIR={runtime}"]

    def call(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*become, *command], capture_output=True, text=True)

    machine.systemctl("start", f"user@{user.pw_uid}.service")
    jobctl = machine.jobctl_command
    installed = call(*jobctl, "systemd", "install", "--user", "--name", "mine")
    call("systemctl", "--user", "daemon-reload")
    started = call("systemctl", "--user", "start", "mine")
    FACTS["own"] = {"install": installed.stderr, "start": started.stderr}
    FACTS["own unit"] = call("systemctl", "--user", "is-active", "mine").stdout.strip()
    FACTS["own job"] = machine.ended(machine.add("nap", seconds=0))
    FACTS["own stop"] = call("systemctl", "--user", "stop", "mine").returncode


def examples(machine: Machine) -> None:
    FACTS["examples"] = examples_inside.run(machine.jobctl_command[0])


def leave(machine: Machine) -> None:
    machine.systemctl("reset-failed", UNIT)
    machine.systemctl("start", UNIT)
    FACTS["left"] = machine.add("second-time", mark="reboot")
    until(Path(f"/var/lib/{UNIT}/reboot").exists, "the handler has begun")


# -- the second boot ------------------------------------------------------------------------


def find(machine: Machine) -> None:
    Path("/run/go").touch()
    left = json.loads(Path("/facts-first.json").read_text())["left"]
    until(lambda: machine.show()["ActiveState"] == "active", "active at boot")
    FACTS["reboot"] = machine.ended(left)


FIRST = (
    install, start, run_a_job, change_code, crash, watchdog, idle, stop, refuse, own, examples,
    leave,
)  # fmt: skip
SECOND = (find,)

if __name__ == "__main__":
    main(*sys.argv[1:])
