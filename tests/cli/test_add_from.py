"""add --from: many jobs from a file, all of it checked first."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jobctl.cli import adding
from jobctl.stores.directory.store import DirectoryStore
from tests.cli.conftest import Cli
from tests.helpers import make_job, put, there

GOOD = """\
{"name": "a", "id": "one", "data": {"x": 1}, "priority": 3, "tags": ["t"]}

{"name": "b", "job_id": "two", "run_at": "2027-01-01T00:00", "delay": null}
"""


def test_a_file(cli: Cli, store: DirectoryStore, tmp_path: Path) -> None:
    (tmp_path / "jobs.jsonl").write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert cli("add", "--from", "jobs.jsonl") == (0, "one\ntwo\n", "")
    assert (there(store, "one").data, there(store, "one").priority) == ({"x": 1}, 3)
    assert there(store, "two").run_at == datetime(2026, 12, 31, 23, tzinfo=UTC)


def test_standard_input_and_json(cli: Cli) -> None:
    result = cli("add", "--from", "-", "--json", stdin=GOOD)
    assert json.loads(result.out) == [{"id": "one"}, {"id": "two"}]


def test_batches(cli: Cli, store: DirectoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adding, "BATCH", 2)
    lines = "".join(f'{{"name": "a", "id": "id{n}"}}\n' for n in range(5))
    result = cli("add", "--from", "-", stdin=lines)
    assert result == (0, "id0\nid1\nid2\nid3\nid4\n", "")
    assert store.stats().pending == 5


def test_jobs_that_were_there_are_told(cli: Cli, store: DirectoryStore) -> None:
    twice = '{"name": "a", "id": "x", "data": 1}\n{"name": "a", "id": "x", "data": 2}\n'
    code, out, err = cli("add", "--from", "-", stdin=twice)
    assert (code, out) == (0, "x\nx\n")
    assert "not added: 1 of 2 jobs, whose ids are taken" in err
    assert "kept as it is: x\n" in err
    assert there(store, "x").data == 1
    lines = "".join(f'{{"name": "a", "id": "id{n}"}}\n' for n in range(7))
    assert cli("add", "--from", "-", stdin=lines).err == ""
    assert "7 of 7 jobs" in (err := cli("add", "--from", "-", stdin=lines).err)
    assert err.endswith("id3, id4, ...\n")
    replacing = '{"name": "a", "id": "x", "data": 3, "if_exists": "replace"}\n'
    assert cli("add", "--from", "-", stdin=replacing).err == ""


def test_a_job_that_the_store_refuses_is_named(
    cli: Cli, store: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = '{"name": "a", "id": "x"}\n{"name": "a", "after": ["nobody"]}\n'
    code, out, err = cli("add", "--from", "-", stdin=lines)
    assert (code, out) == (3, "")
    assert err.startswith("jobctl: job 2: after: there is no job nobody")
    assert store.stats().total == 0
    monkeypatch.setattr(adding, "BATCH", 1)  # counted on from one batch to the next
    code, out, err = cli("add", "--from", "-", stdin=lines)
    assert (code, out) == (3, "x\n")
    assert "job 2: after" in err


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("{", "the line is not JSON"),
        ("[1]", "the line is no object"),
        ("{}", "name is missing"),
        ('{"name": "a", "priorty": 1}', "option 'priorty' is unknown: did you mean priority?"),
        ('{"name": "a", "data": NaN}', "the line is refused: it holds NaN"),
        ('{"name": "a", "name": "b"}', "the line is refused: the key 'name' stands twice"),
        ('{"name": "a b"}', "name 'a b' is refused"),
        ('{"name": "a", "run_at": "soon"}', "run_at 'soon' is not a time"),
        ('{"name": "a", "data": "\x1b"}', "the line is not JSON"),
        ('{"name": "a", "data": "\\ud800"}', "half of a surrogate pair"),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_added(
    cli: Cli, store: DirectoryStore, bad: str, message: str
) -> None:
    result = cli("add", "--from", "-", stdin=f"{GOOD}{bad}\n")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("jobctl: standard input, line 4: ")
    assert message in result.err
    assert result.err.endswith("(nothing was added)\n")
    assert len(result.err.splitlines()) == 1
    assert store.stats().total == 0


def test_bytes_that_are_no_text(cli: Cli) -> None:
    result = cli("add", "--from", "-", stdin=b'{"name": "\xff"}\n')
    assert result.code == 2
    assert "standard input, line 1" in result.err


def test_what_was_added_before_an_error_is_said(
    cli: Cli, store: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adding, "BATCH", 1)
    put(store, make_job("two"))
    lines = '{"name": "a", "id": "one"}\n{"name": "a", "id": "two", "if_exists": "error"}\n'
    result = cli("add", "--from", "-", stdin=lines)
    assert (result.code, result.out) == (4, "one\n")
    assert result.err.startswith("note: 1 of 2 jobs were added before the error\njobctl: ")


@pytest.mark.parametrize("beside", [["hello"], ["--priority", "1"], ["--data-file", "x"]])
def test_nothing_stands_beside_a_file(cli: Cli, beside: list[str]) -> None:
    result = cli("add", "--from", "-", *beside, stdin=GOOD)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("jobctl: --from takes no NAME")


def test_an_empty_file_and_none(cli: Cli) -> None:
    assert cli("add", "--from", "-") == (
        0,
        "",
        "note: there are no jobs in it: nothing was added\n",
    )
    assert cli("add", "--from", "nope").err == (
        "jobctl: nope cannot be read: No such file or directory\n"
    )
