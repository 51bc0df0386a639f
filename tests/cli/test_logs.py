"""jobctl logs, on logs that are there already."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobctl.core.job import Ending, Options, Outcome, finish
from jobctl.services.logfile import header, path_of, stamp
from jobctl.stores.directory.store import DirectoryStore
from tests.cli.conftest import Cli
from tests.helpers import NOON, FakeClock, after, claim, end, there


@pytest.fixture
def job_id(cli: Cli) -> str:
    return cli("add", "work").out.strip()


def write(store: DirectoryStore, job_id: str, content: bytes) -> Path:
    path = path_of(store.files, job_id)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


def test_the_log_is_shown_whole_or_its_end(
    cli: Cli, store: DirectoryStore, job_id: str
) -> None:
    write(store, job_id, b"one\ntwo\nthree")
    assert cli("logs", job_id[:6]) == (0, "one\ntwo\nthree\n", "")
    assert cli("logs", job_id, "--tail", "2").out == "two\nthree\n"
    assert cli("logs", job_id, "--tail", "0").out == ""
    assert cli("logs", job_id, "--tail", "9").out == "one\ntwo\nthree\n"


def test_json_has_the_lines_and_where_they_are(
    cli: Cli, store: DirectoryStore, job_id: str
) -> None:
    path = write(store, job_id, b"a\n\xff\x1b[31m\n")
    found = json.loads(cli("logs", job_id, "--json", "--tail", "1").out)
    assert found == {"id": job_id, "path": str(path), "lines": ["\ufffd\x1b[31m"]}


def test_what_could_steer_a_terminal_is_shown_as_text(
    cli: Cli, store: DirectoryStore, job_id: str
) -> None:
    write(store, job_id, b"\x1b]0;pwned\x07\n\tindented\r\n\xe2\x80\xaelast\n")
    assert cli("logs", job_id).out == "\\x1b]0;pwned\\x07\n    indented\n\\u202elast\n"
    assert b"\x1b" in path_of(store.files, job_id).read_bytes()


def test_a_job_without_a_log_says_so(cli: Cli, job_id: str) -> None:
    code, out, err = cli("logs", job_id)
    assert (code, out) == (0, "")
    assert err == f"note: job {job_id} (pending) has written nothing so far\n"
    assert json.loads(cli("logs", job_id, "--json").out)["lines"] == []
    assert cli("logs", "nothing").code == 3


def test_a_log_that_cannot_be_read_is_an_error(
    cli: Cli, store: DirectoryStore, job_id: str
) -> None:
    path_of(store.files, job_id).mkdir(parents=True)
    code, out, err = cli("logs", job_id)
    assert (code, out) == (5, "")
    assert "cannot be read: Is a directory" in err


def test_a_gap_in_a_running_log_is_counted(
    cli: Cli, store: DirectoryStore, job_id: str
) -> None:
    path = write(store, job_id, b"first" * 819 + b"\n")  # a page
    with path.open("r+b") as file:
        file.seek(1 << 20)
        file.write(b"last\n")
    first, _, gap, *rest = cli("logs", job_id).out.split("\n")
    assert first.startswith("first")
    assert gap == f"--- {(1 << 20) - 4096} bytes left out ---"
    assert rest[-2].endswith("last")


def test_show_has_the_end_of_the_log_of_what_went_wrong(
    cli: Cli, store: DirectoryStore, job_id: str
) -> None:
    [job] = claim(store, 1)
    tail = ("first", "\x1b[31mlast")
    ending = Ending(Outcome.ERROR, NOON, log_tail=tail, final=True, progress={"done": 1})
    with store.transaction() as tx:
        tx.settle([finish(job, ending, Options())])
    out = cli("show", job_id).out
    assert out.endswith("\nthe end of its log:\n  first\n  \\x1b[31mlast\n")
    assert 'progress         {"done": 1}\n' in out
    record = json.loads(cli("show", job_id, "--json").out)
    assert record["history"][0]["log_tail"] == list(tail)
    assert record["progress"] == {"done": 1}


def line(seconds: float, text: str) -> bytes:
    return f"{stamp(after(seconds))} info {text}\n".encode()


@pytest.fixture
def attempts(store: DirectoryStore, job_id: str, clock: FakeClock) -> str:
    """A job whose three attempts began at noon, and 100 and 200 seconds later."""
    content = (
        header(1, NOON) + line(1, "one") + b"no time\n"
        + header(2, after(100)) + line(150, "two") + b"sub\nprocess\n"
        + header(3, after(200)) + line(201, "three")
    )  # fmt: skip
    path = write(store, job_id, content)
    os.utime(path, (after(201).timestamp(),) * 2)
    end(store, claim(store)[0])
    clock.advance(300)
    return job_id


def shown(cli: Cli, *args: str) -> list[str]:
    code, out, err = cli("logs", *args)
    assert (code, err) == (0, "")
    return [line if line.startswith("---") else line.split()[-1] for line in out.splitlines()]


def test_one_attempt(cli: Cli, attempts: str) -> None:
    head = f"--- attempt 2 at {stamp(after(100))} ---"
    assert shown(cli, attempts, "--attempt", "2") == [head, "two", "sub", "process"]
    assert shown(cli, attempts, "--attempt", "2", "--tail", "1") == ["process"]
    code, out, err = cli("logs", attempts, "--attempt", "4")
    assert (code, out) == (0, "")
    assert err == f"note: the log of job {attempts} has no attempt 4, but 1, 2, 3\n"


def test_since(cli: Cli, attempts: str) -> None:
    """A line without a time is left out only if a later one is from before that."""
    two, three = (f"--- attempt {n} at {stamp(after(n * 100 - 100))} ---" for n in (2, 3))
    assert shown(cli, attempts, "--since", "99s") == [three, "three"]
    assert shown(cli, attempts, "--since", "140s") == [
        two, "sub", "process", three, "three",
    ]  # fmt: skip
    assert shown(cli, attempts, "--since", "2026-11-24T13:02:30") == [
        two, "two", "sub", "process", three, "three",
    ]  # fmt: skip
    assert shown(cli, attempts, "--since", "140s", "--tail", "2") == [three, "three"]
    assert len(shown(cli, attempts, "--since", "1h")) == 9
    code, out, err = cli("logs", attempts, "--since", "1m")
    assert (code, out) == (0, "")
    assert err == f"note: job {attempts} (completed) has written nothing since then\n"
    assert cli("logs", attempts, "--since", "x").err.startswith(
        "jobctl: --since: 'x' is neither a duration nor a time"
    )


def test_lines_without_a_time_are_as_new_as_the_file(
    cli: Cli, store: DirectoryStore, job_id: str, clock: FakeClock
) -> None:
    path = write(store, job_id, header(1, NOON) + b"of a command\n")
    clock.advance(300)
    os.utime(path, (after(200).timestamp(),) * 2)
    head = f"--- attempt 1 at {stamp(NOON)} ---"
    assert shown(cli, job_id, "--since", "2m") == [head, "command"]
    assert cli("logs", job_id, "--since", "1m").out == ""
    claim(store)
    assert there(store, job_id).status == "running"
    assert shown(cli, job_id, "--since", "1m") == [head, "command"]


def test_raw(cli: Cli, store: DirectoryStore, job_id: str, tmp_path: Path) -> None:
    write(store, job_id, b"\x1b[31m\xff\r\n")
    with (tmp_path / "out").open("wb") as out:
        subprocess.run(
            [sys.executable, "-m", "jobctl", "logs", job_id, "--raw"],
            stdout=out,
            check=True,
            timeout=60,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
    assert (tmp_path / "out").read_bytes() == b"\x1b[31m\xff\r\n"


def peak(job_id: str, *options: str) -> tuple[int, bytes]:
    """Return how much memory it takes to show a log, in KiB, and the end of what is shown."""
    script = (
        "import re, sys\n"
        "from jobctl.cli.app import main\n"
        "assert main(sys.argv[1:]) == 0\n"
        "status = open('/proc/self/status').read()\n"
        "sys.exit(re.search(r'VmHWM:\\s+(\\d+)', status)[1])\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, "logs", job_id, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    ) as process:
        assert process.stdout is not None
        shown = b""
        while piece := process.stdout.read(1 << 20):
            shown = (shown + piece)[-2000:]
        assert process.stderr is not None
        return int(process.stderr.read()), shown


@pytest.mark.parametrize("options", [["--tail", "3"], ["--since", "1h"], ["--raw"], []])
def test_a_huge_log_costs_no_memory(
    store: DirectoryStore, job_id: str, options: list[str]
) -> None:
    path = write(store, job_id, header(1, NOON) + b"last\n")
    small, _ = peak(job_id, *options)
    with path.open("ab") as file:
        file.write(b"x" * 30_000_000)  # one line
        file.write(b"%0999d\n" % 7 * 30_000)
        file.write(b"last\n")
    huge, shown = peak(job_id, *options)
    assert shown.endswith(b"%0999d\nlast\n" % 7)
    assert huge < small + 15_000
