"""Each example as its user runs it: `jobctl add`, `jobctl run --burst`, `jobctl show`."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.examples.conftest import KEY
from tests.examples.servers import Inbox, Receiver
from tests.examples.test_cleanup import make

EXAMPLES = Path(__file__).parents[2] / "examples"

Command = Callable[..., str]


@pytest.fixture
def jobctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run jobctl with the examples' configuration and a store of the test's own."""
    monkeypatch.setenv("JOBCTL_CONFIG", str(EXAMPLES / "jobs.toml"))
    monkeypatch.setenv("JOBCTL_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("PYTHONPATH", str(EXAMPLES.parent))

    def run(*arguments: str) -> str:
        return execute("-m", "jobctl", *arguments, cwd=tmp_path)

    return run


def execute(*arguments: str, cwd: Path) -> str:
    """Run Python and return its stdout; it has to end well."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def finish(jobctl: Command, job_id: str, *run: str) -> dict[str, Any]:
    """Drain the queue and return the job's record."""
    jobctl("run", "--burst", *run)
    record: dict[str, Any] = json.loads(jobctl("show", job_id.strip(), "--json"))
    return record


@pytest.mark.usefixtures("smtp")
def test_email(jobctl: Command, inbox: Inbox) -> None:
    job_id = jobctl("add", "send-email", "to=ann@example.com", "subject=Hi", "body=Hello")
    record = finish(jobctl, job_id)
    assert record["status"] == "completed", record["error"]
    [message] = inbox.messages
    assert record["result"] == {"message_id": message["Message-ID"]}


@pytest.mark.usefixtures("smtp")
def test_email_from_the_program(
    jobctl: Command,
    inbox: Inbox,
    tmp_path: Path,
) -> None:
    worker = str(EXAMPLES / "email_worker.py")
    job_id = execute(worker, "ann@example.com", "Hi", "Hello", cwd=tmp_path)
    assert finish(jobctl, job_id)["status"] == "completed"
    assert len(inbox.messages) == 1


@pytest.mark.usefixtures("smtp")
def test_a_refused_mail_is_dead_with_the_reason(
    jobctl: Command,
    inbox: Inbox,
) -> None:
    inbox.answers["RCPT"] = "550 no such user"
    job_id = jobctl("add", "send-email", "to=ann@example.com", "subject=Hi", "body=Hello")
    record = finish(jobctl, job_id)
    assert (record["status"], record["attempts"]) == ("failed", 1)
    assert "550 no such user" in record["error"]["message"]


def test_data_that_does_not_fit_is_dead_at_once(jobctl: Command) -> None:
    record = finish(jobctl, jobctl("add", "send-email", "to=ann@example.com"))
    assert (record["status"], record["attempts"]) == ("failed", 1)
    assert record["error"]["type"] == "InvalidData"
    assert record["error"]["message"] == "data.subject: required, and missing"


def test_webhook(
    jobctl: Command,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WEBHOOK_SECRET", base64.b64encode(KEY).decode())
    url = f"url={receiver.url(200)}"
    job_id = jobctl("add", "deliver-webhook", url, "event=paid", 'payload:={"order": 17}')
    record = finish(jobctl, job_id)
    assert record["status"] == "completed", record["error"]
    [(_, headers, _)] = receiver.requests
    assert headers["webhook-id"] == record["id"]


def test_report(jobctl: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPORT_ROOT", str(tmp_path))
    (tmp_path / "sales.csv").write_text("region,amount\nnorth,2\nnorth,3\n", encoding="utf-8")
    fields = ("source=sales.csv", "group_by=region", "value=amount", "output=out")
    record = finish(jobctl, jobctl("add", "build-report", *fields))
    assert record["status"] == "completed", record["error"]
    assert "north,2,5.00" in (tmp_path / "out.csv").read_text(encoding="utf-8")


def test_cleanup(jobctl: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEANUP_ROOT", str(tmp_path / "root"))
    old = make(tmp_path / "root/a.log", 30)
    new = make(tmp_path / "root/b.log", 1)
    record = finish(jobctl, jobctl("add", "cleanup-files", "pattern=*.log", "days:=7"))
    assert record["status"] == "completed", record["error"]
    assert record["result"]["deleted"] == 1
    assert new.exists()
    assert not old.exists()


def test_the_web_applications_job(jobctl: Command) -> None:
    job_id = jobctl("add", "record-action", "user_id=7", "action=signed up")
    record = finish(jobctl, job_id, "--handlers", str(EXAMPLES / "fastapi_app.py"))
    assert record["status"] == "completed", record["error"]
    assert record["result"] == "signed up by user 7"
