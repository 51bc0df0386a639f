"""jobctl logs, on logs that are there already."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobctl.core.job import Ending, Options, Outcome, finish
from jobctl.services.logfile import path_of
from jobctl.stores.directory.store import DirectoryStore
from tests.cli.conftest import Cli
from tests.helpers import NOON, claim


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
