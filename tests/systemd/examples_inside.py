"""Runs inside the machine: each example in a terminal, and again under a unit of its own."""

from __future__ import annotations

import base64
import json
import os
import pwd
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.examples.servers import Inbox, Receiver, serve

APP = Path("/srv/examples")
#: The one folder that the examples write to, and that the unit is told of.
FILES = Path("/srv/files")
UNIT = "examples"
DAY = 86400.0


def run(python: str) -> dict[str, Any]:
    """Return what each job came to, in the terminal and under the unit."""
    inbox, receiver = Inbox(), Receiver()
    with _serving(inbox, receiver) as port:
        environ = {
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(port),
            "MAIL_FROM": "shop@example.org",
            "WEBHOOK_SECRET": base64.b64encode(b"k" * 24).decode(),
            "REPORT_ROOT": str(FILES),
            "CLEANUP_ROOT": str(FILES),
        }
        jobctl = Jobctl(python, environ)
        facts: dict[str, Any] = {}
        for place in (_in_the_terminal, _under_the_unit):
            _lay_out()
            ids = {name: jobctl.add(words) for name, words in _jobs(jobctl, receiver).items()}
            place(jobctl)
            facts[place.__name__] = {
                "jobs": {name: jobctl.ended(job_id) for name, job_id in ids.items()},
                "mails": len(inbox.messages),
                "calls": len(receiver.requests),
                "files": sorted(path.name for path in FILES.iterdir()),
            }
            inbox.messages.clear()
            receiver.requests.clear()
        facts["install"] = jobctl.installed
        subprocess.run(["systemctl", "stop", UNIT], capture_output=True)
    return facts


def _jobs(jobctl: Jobctl, receiver: Receiver) -> dict[str, list[str]]:
    jobs = {
        "email": ["send-email", "to=ann@example.com", "subject=Hi", "body=Hello"],
        "webhook": ["deliver-webhook", f"url={receiver.url(200)}", "event=paid", "payload:={}"],
        "report": [
            *("build-report", "source=sales.csv", "group_by=region", "value=amount"),
            "output=out",
        ],
        "cleanup": ["cleanup-files", "pattern=*.log", "days:=7"],
    }
    if "--shell" in jobctl.run("add", "--help").stdout:  # where shell jobs are known
        jobs["shell"] = ["--shell", "--", "touch", str(FILES / "touched")]
    return jobs


def _lay_out() -> None:
    """Put the files there that the jobs find, and nothing else."""
    for path in FILES.iterdir():
        path.unlink()
    (FILES / "sales.csv").write_text("region,amount\nnorth,2\nnorth,3\n")
    old = FILES / "old.log"
    old.touch()
    os.utime(old, (time.time() - 30 * DAY,) * 2)
    owner = FILES.stat()
    for path in FILES.iterdir():
        os.chown(path, owner.st_uid, owner.st_gid)


def _in_the_terminal(jobctl: Jobctl) -> None:
    done = jobctl.run("run", "--burst")
    assert done.returncode == 0, done.stderr


def _under_the_unit(jobctl: Jobctl) -> None:
    done = jobctl.run(
        "systemd", "install", "--name", UNIT, "--write-path", str(FILES), root=True
    )
    verify = subprocess.run(
        ["systemd-analyze", "verify", done.stdout.strip()], capture_output=True, text=True
    )
    jobctl.installed = {"code": done.returncode, "verify": verify.stdout + verify.stderr}
    drop_in = Path(f"/etc/systemd/system/{UNIT}.service.d/test.conf")
    drop_in.parent.mkdir(exist_ok=True)
    lines = (f'Environment="{name}={value}"' for name, value in jobctl.environ.items())
    drop_in.write_text("[Service]\n" + "\n".join(lines) + "\n")
    subprocess.run(["systemctl", "daemon-reload"], check=True)
    started = subprocess.run(["systemctl", "start", UNIT], capture_output=True, text=True)
    assert started.returncode == 0, started.stderr


class Jobctl:
    """Runs jobctl with the examples' configuration, as the user who owns them."""

    def __init__(self, python: str, settings: dict[str, str]) -> None:
        self._command = [python, "-P", "-m", "jobctl"]
        self.environ = {"PYTHONPATH": os.environ["PYTHONPATH"], **settings}
        self.installed: dict[str, Any] = {}
        user = pwd.getpwuid(APP.stat().st_uid).pw_name
        self._become = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"]

    def run(self, *words: str, root: bool = False) -> subprocess.CompletedProcess[str]:
        """Run it and return what it said."""
        command = [*([] if root else self._become), *self._command, *words]
        environ = {**os.environ, **self.environ}
        return subprocess.run(command, cwd=APP, env=environ, capture_output=True, text=True)

    def add(self, words: list[str]) -> str:
        """Add a job and return its id."""
        done = self.run("add", *words)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def ended(self, job_id: str) -> dict[str, Any]:
        """Return the record of a job that has ended, or had the time to."""
        self.run("wait", job_id, "--timeout", "15s")
        record: dict[str, Any] = json.loads(self.run("show", job_id, "--json").stdout)
        return record


@contextmanager
def _serving(inbox: Inbox, receiver: Receiver) -> Iterator[int]:
    thread = threading.Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        for server in serve(inbox):
            yield server.port
    finally:
        receiver.shutdown()
        thread.join()
        receiver.server_close()
