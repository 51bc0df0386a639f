"""The command line as a program of its own: pipes, terminals, signals, what it imports."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jobctl.stores.directory.store import DirectoryStore
from tests.helpers import ROOT, eventually, make_job, put

JOBCTL = [sys.executable, "-m", "jobctl"]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The source tree is importable, and the clock is the real one."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)


def run(*args: str, stdin: str = "", check: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*JOBCTL, *args], input=stdin, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == check, done.stderr
    return done


def on_pty(*args: str) -> str:
    """Return all that a terminal of 80 columns shows."""
    parent, child = pty.openpty()
    with subprocess.Popen([*JOBCTL, *args], stdin=child, stdout=child, stderr=child) as process:
        os.close(child)
        shown = b""
        while select.select([parent], [], [], 30)[0]:
            try:
                shown += os.read(parent, 65536)
            except OSError:  # EIO: the program has ended
                break
        assert process.wait(30) == 0
    os.close(parent)
    return shown.decode().replace("\r\n", "\n")


def imported_by(*args: str) -> set[str]:
    """Return the modules that a command imports beside typer's."""
    script = (
        "import sys\n"
        "import typer\n"
        "typers = set(sys.modules)\n"
        "from jobctl.cli.app import main\n"
        "assert main() == 0\n"
        "print('imported:', *sorted(set(sys.modules) - typers), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *args], capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return set(done.stderr.rpartition("imported:")[2].split())


def test_add_imports_nothing_heavy() -> None:
    run("add", "hello")  # the first one makes the store
    imported = imported_by("add", "hello", "name=you", "--tag", "x", "--priority", "3")
    assert "jobctl.cli.commands.add" in imported
    heavy = {
        "rich", "pydantic", "asyncio", "logging", "tomllib", "json", "croniter",
        "http", "email", "ssl", "multiprocessing", "concurrent", "zoneinfo", "tempfile",
        "jobctl.cli.commands.list", "jobctl.cli.jsonlines", "jobctl.runtime", "jobctl.api",
        "jobctl.config.schema", "jobctl.stores.memory", "jobctl.stores.directory.index",
    }  # fmt: skip
    assert imported & heavy == set()
    commands = {name for name in imported if name.startswith("jobctl.cli.commands.")}
    assert commands == {"jobctl.cli.commands.add"}


#: What no command needs that looks at a few jobs, or at schedules of which there are none.
HEAVY = {
    "rich", "pydantic", "asyncio", "logging", "tomllib", "croniter", "http", "email", "ssl",
    "multiprocessing", "concurrent", "zoneinfo", "tempfile", "hashlib", "jobctl.runtime",
    "jobctl.api", "jobctl.config.schema", "jobctl.stores.memory", "jobctl.web",
}  # fmt: skip


@pytest.mark.parametrize(
    ("line", "others"),
    [
        ("show one", {"jobctl.core.schedule"}),
        ("list", {"jobctl.core.schedule", "json"}),
        ("list status:pending", {"jobctl.core.schedule", "json"}),
        ("stats", {"jobctl.core.schedule", "json", "jobctl.cli.watching"}),
        ("logs one", {"jobctl.core.schedule", "json"}),
        ("explain one", {"jobctl.core.schedule", "mmap", "jobctl.services.explaining.ended"}),
        ("retry status:failed --dry-run", {"jobctl.core.schedule", "json"}),
        ("cleanup --dry-run", {"jobctl.core.schedule", "json"}),
        ("schedule list", {"jobctl.cli.schedules.add", "jobctl.cli.schedules.next"}),
        ("--help", {"jobctl.bootstrap", "sqlite3", "jobctl.core.schedule"}),
        ("list --help", {"jobctl.bootstrap", "sqlite3", "jobctl.core.schedule"}),
    ],
)
def test_a_command_imports_what_it_needs(
    line: str, others: set[str], store: DirectoryStore
) -> None:
    put(store, make_job("one"))
    assert imported_by(*line.split()) & (HEAVY | others) == set()


@pytest.mark.parametrize(
    ("line", "looks"),
    [("stats", False), ("logs one", False), ("wait one --timeout 0", True), ("export", True)],
)
def test_who_ends_at_once_looks_for_no_garbage(
    line: str, looks: bool, store: DirectoryStore
) -> None:
    put(store, make_job("one"))
    script = (
        "import gc, sys\n"
        "from jobctl.cli import app, garbage\n"
        "seen = []\n"
        "before = garbage.leave\n"
        "garbage.leave = lambda: (before(), seen.append(gc.isenabled()))\n"
        "from jobctl.services.queue import QueueService\n"
        "for name in ('stats', 'log', 'wait', 'stream'):\n"
        "    def look(*args, real=getattr(QueueService, name), **options):\n"
        "        seen.append(gc.isenabled())\n"
        "        return real(*args, **options)\n"
        "    setattr(QueueService, name, look)\n"
        "app.main()\n"
        "print(seen[0], seen[-1], gc.isenabled(), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *line.split()],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stderr.splitlines()[-1] == f"False {looks} True"


def test_init_add_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOBCTL_STORE")
    run("init")
    run("config", "check")
    job_id = run("add", "hello", "name=you").stdout.strip()
    run("run", "--burst")
    assert '"result": "Hello, you!"' in run("show", job_id, "--json").stdout
    assert run("wait", job_id).stdout == f"{job_id}  completed\n"
    assert (tmp_path / ".jobctl").is_dir()


def test_a_real_terminal(monkeypatch: pytest.MonkeyPatch, store: DirectoryStore) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    put(store, make_job("x", status="failed"))
    shown = on_pty("list")
    assert "\x1b[31m" not in shown  # NO_COLOR
    monkeypatch.delenv("NO_COLOR")
    assert "\x1b[31mfailed" in on_pty("list")


def test_the_progress_bar(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TERM", "xterm")
    (tmp_path / "jobs.jsonl").write_text('{"name": "a", "id": "x"}\n{"name": "a", "id": "y"}\n')
    shown = on_pty("add", "--from", "jobs.jsonl")
    assert "adding" in shown
    assert "2/2" in shown
    assert shown.endswith("x\ny\n")


@pytest.fixture
def many(store: DirectoryStore) -> None:
    """More than a pipe holds."""
    put(store, *(make_job(f"job{n}", data="x" * 1000) for n in range(200)))


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("command", ["list --jsonl --limit 200", "list --json --limit 200"])
def test_a_closed_pipe_ends_it_quietly(command: str) -> None:
    with subprocess.Popen(
        [*JOBCTL, *command.split()], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 141


def test_a_reader_of_stderr_that_is_gone() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*JOBCTL, "show", "nope"], stderr=writer, timeout=60, check=False)
    os.close(writer)
    assert done.returncode == 3


def test_streams_that_are_closed() -> None:
    closed = 'exec 0<&- 1>&- 2>&-; exec "$@"'
    for args, code in ((["add", "a", "--id", "x"], 0), (["show", "nope"], 3)):
        done = subprocess.run(
            ["sh", "-c", closed, "sh", *JOBCTL, *args], timeout=60, check=False
        )
        assert done.returncode == code
    assert run("list", "-q").stdout == "x\n"


def test_a_full_disk_behind_stdout(many: None) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*JOBCTL, "list"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_that_cannot_show_it(
    monkeypatch: pytest.MonkeyPatch, store: DirectoryStore, encoding: str
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    put(store, make_job("x", data={"name": "日本"}))
    assert "\\u65e5" in run("show", "x").stdout


def test_ctrl_c_while_it_waits(store: DirectoryStore, tmp_path: Path) -> None:
    put(store, make_job("x"))
    with subprocess.Popen(
        [*JOBCTL, "add", "a", "--id", "y", "--wait"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"y\n"  # from here on it waits
        eventually(lambda: store.get("y"))
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stderr.read() == b""
