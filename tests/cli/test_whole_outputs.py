"""The whole output of each command: in a pipe, on terminals of 80 and 200 columns, as JSON.

The jobs have in them whatever could break a line, a table or a terminal. The outputs are files
under snapshots/; `make snapshots` writes them anew.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from jobctl.cli.tree import COMMANDS
from jobctl.core.job import Exit, JobError, Options, Outcome
from jobctl.core.note import PAUSE, Note
from jobctl.runtime import install
from jobctl.services.logfile import header, path_of, stamp
from jobctl.services.progress import create, folder_in, pack
from jobctl.stores.directory.store import DirectoryStore
from tests.cli import snapshot
from tests.cli.conftest import Cli
from tests.cli.test_schedule import fire
from tests.helpers import FakeClock, after, claim, end, make_job, put

_CHECKSUM = re.compile(" [0-9a-f]{8}$", re.MULTILINE)
#: One of everything that could break a table, a line or a terminal.
NASTY = "[/] [red]\x1b[31m\x9b1m\u202e\u2028\u200b\r\n\tend"
CONFIG = """\
[schedules.nightly]
cron = "30 2 * * *"
timezone = "America/New_York"
job = "report"
data = { days = 7, password = "secret", note = "[/] [red]\\u001b[31m\\u202e\\nend" }

[schedules.beat]
every = "90s"
job = "ping"
expect_within = "1h"

[redact]
keys = ["password"]
"""
FAULTY = """\
[run]
concurency = 4
timeout = "soon"

[schedules."every \\u001b[2Jday"]
cron = "61 * * * *"
"""

#: What is typed, by the name of the file.
CASES = {
    "list": "list",
    "list-cut": "list --limit 2",
    "list-none": "list --status cancelled",
    "list-quiet": "list -q",
    "list-jsonl": "list --jsonl --limit 1",
    "show-failed": "show 6zn5",
    "show-running": "show busy",
    "show-pending": "show later",
    "show-shell": "show shell",
    "show-unknown": "show nobody",
    "logs": "logs 6zn5",
    "logs-tail": "logs 6zn5 --tail 2",
    "logs-none": "logs later",
    "logs-no-attempt": "logs 6zn5 --attempt 9",
    "follow-failed": "follow 6zn5",
    "follow-timeout": "follow later --timeout 0",
    "explain-failed": "explain 6zn5",
    "explain-running": "explain busy",
    "explain-pending": "explain later",
    "wait": "wait done 6zn5",
    "wait-timeout": "wait done later --timeout 0",
    "add": "add work to=you --id mine",
    "add-kept": "add work --id done",
    "add-refused": "add work --priority high",
    "add-wrong-json": "add work {broken",
    "retry": "retry 6zn5",
    "retry-conflict": "retry done 6zn5",
    "retry-dry-run": "retry 6zn5 --dry-run",
    "cancel": "cancel later busy",
    "delete": "delete done",
    "delete-conflict": "delete busy",
    "cleanup": "cleanup --older-than 30m --yes",
    "cleanup-dry-run": "cleanup --older-than 30m --dry-run",
    "stats": "stats",
    "pause": "pause sync",
    "pause-list": "pause --list",
    "resume": "resume",
    "health": "health",
    "doctor": "doctor",
    "backup-refused": "backup .",
    "restore-refused": "restore nowhere.tar",
    "export": "export",
    "schedule-list": "schedule list",
    "schedule-show": "schedule show nightly",
    "schedule-next": "schedule next -n 4",
    "schedule-history": "schedule history beat",
    "schedule-add": "schedule add weekly @weekly report",
    "schedule-disable": "schedule disable beat",
    "schedule-unknown": "schedule show nighty",
    "config-check": "config check",
    "systemd-print": "systemd print --user",
    "init-taken": "init",
    "unknown-command": "lst",
    "missing-argument": "show",
}
#: Commands that go on until they are stopped.
ELSEWHERE = {"run", "dashboard"}
#: What has no --json.
WITHOUT_JSON = (
    "list-quiet", "list-jsonl", "systemd-print", "init-taken", "unknown-command", "export",
)  # fmt: skip
MODES = ("pipe", "terminal-80", "terminal-200", "json")
WANTED = [
    (case, mode)
    for case in CASES
    for mode in MODES
    if mode != "json" or case not in WITHOUT_JSON
]


@pytest.fixture
def jobs(store: DirectoryStore, clock: FakeClock, tmp_path: Path) -> None:
    """A job of each kind, an hour ago; a configuration; pauses and ticks."""
    (tmp_path / "jobs.toml").write_text(CONFIG)
    (tmp_path / "jobs.toml").chmod(0o644)
    tmp_path.chmod(0o755)
    put(store, make_job("done", name="report", tags=("eu", "daily"), timeout=90.0))
    end(store, claim(store)[0], at=after(2.5), result={"rows": 3}, worker="w1", max_rss=2**24)
    failed = "6zn5x4kq7wq2m3ab"
    put(store, make_job(failed, name="send-email", data={"to": NASTY, "password": "secret"}))
    error = JobError("SMTPError", NASTY, f"Traceback:\n  {NASTY}\nSMTPError")
    dead = Options(max_retries=1)
    end(
        store, claim(store)[0], Outcome.CRASHED, at=after(1), options=dead, worker="4711",
        error=JobError("WorkerDied", "killed"), exit=Exit(signal="SIGKILL"), max_rss=10**9,
    )  # fmt: skip
    last = claim(store, now=after(60))
    end(store, last[0], Outcome.ERROR, at=after(61), options=dead, error=error, worker="4712",
        log_tail=("one", NASTY))  # fmt: skip
    write_log(store, failed)
    put(store, make_job("busy", name="x" * 60))
    claim(store)
    create(folder_in(store.files), "busy")
    said = pack(after(5).timestamp(), b'{"done": 4, "total": 8, "note": "\\u001b[2J[/]"}')
    (store.files / "progress" / "busy").write_bytes(said)
    put(store, make_job("later", run_at=after(7200), data="日本" * 30, after=("done",)))
    put(store, make_job("again", name="sync", concurrency_key="日本"))
    end(store, claim(store)[0], Outcome.TIMEOUT, at=after(3590))
    shell = {"argv": ["sh", "-c", "echo \x1b[2J"], "cwd": "/tmp", "env": {"LANG": "C"}}
    put(store, make_job("shell", name="sh", shell=shell, priority=-5, max_retries=0))
    with store.transaction() as tx:
        tx.put(Note(PAUSE, "sync", after(1800)))
    fire(store, clock, 100)
    clock.advance(3600 - 100)


def write_log(store: DirectoryStore, job_id: str) -> None:
    path = path_of(store.files, job_id)
    path.parent.mkdir(exist_ok=True)
    text = (
        header(1, after(0)) + b"a command\r\n\x1b]0;pwned\x07\xff\n"
        + header(2, after(60)) + f"{stamp(after(60))} info {NASTY}\n".encode() + b"no end"
    )  # fmt: skip
    path.write_bytes(text)


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> None:
    """What differs from machine to machine is the same here."""
    monkeypatch.setattr(install, "systemd_version", lambda: 252)
    monkeypatch.setattr(install, "code_folders", lambda: [Path("/src")])
    monkeypatch.setattr(sys, "executable", "/bin/python")
    monkeypatch.setenv("TERM", "xterm")


def shown(cli: Cli, typed: list[str], tmp_path: Path) -> str:
    """Return what a call leaves: what was typed, stdout, stderr, the exit code."""
    result = cli(*typed)
    out = "\n".join(line.rstrip(" ") for line in result.out.split("\n"))  # Rich fills up
    text = f"$ jobctl {' '.join(typed)}\n{out}"
    if result.err:
        text += f"--- stderr ---\n{result.err}"
    text += f"--- exit code {result.code} ---\n"
    # The unit has a checksum of its own text, paths included.
    return _CHECKSUM.sub(" 01234567", text.replace(str(tmp_path), "/work"))


@pytest.mark.usefixtures("jobs", "steady")
@pytest.mark.parametrize(("case", "mode"), WANTED)
def test_output(
    cli: Cli, case: str, mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = CASES[case].split()
    if mode == "json":
        typed.append("--json")
    elif mode != "pipe":
        cli.on_terminal()
        monkeypatch.setenv("COLUMNS", mode.removeprefix("terminal-"))
    text = shown(cli, typed, tmp_path)
    assert not {char for char in text if ord(char) < 32} - {"\n", "\t"}
    assert not {char for char in text if 0x7F <= ord(char) < 0xA0}
    snapshot.check(f"{case}/{mode}", text)


@pytest.mark.usefixtures("steady")
@pytest.mark.parametrize("mode", ["pipe", "json"])
def test_a_faulty_configuration(cli: Cli, mode: str, tmp_path: Path) -> None:
    (tmp_path / "jobs.toml").write_text(FAULTY)
    typed = ["config", "check", *(["--json"] if mode == "json" else [])]
    snapshot.check(f"config-check-faulty/{mode}", shown(cli, typed, tmp_path))


def test_each_command_has_its_outputs() -> None:
    known = {typed.split()[0] for typed in CASES.values()}
    assert set(COMMANDS) - known - ELSEWHERE == set()
    kept = {path.name for path in snapshot.FOLDER.iterdir()}
    assert kept == {*CASES, "config-check-faulty", "stats-watch"}
