"""add: what is typed, what is stored, what is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from jobctl.core.retry import RetryPolicy
from jobctl.stores.directory.store import DirectoryStore
from tests.cli.conftest import Cli
from tests.helpers import after, claim, end, make_job, put, there


def test_the_id_and_nothing_else_is_printed(cli: Cli, store: DirectoryStore) -> None:
    result = cli("add", "hello")
    assert result == (0, result.out, "")
    job = there(store, result.out.rstrip("\n"))
    assert (job.name, job.data, job.priority, job.run_at) == ("hello", {}, 0, None)
    assert len(job.id) == 16


def test_json_gives_an_object(cli: Cli) -> None:
    assert cli("add", "hello", "--id", "x", "--json") == (0, '{"id": "x"}\n', "")


@pytest.mark.parametrize(
    ("typed", "data"),
    [
        (["name=you"], {"name": "you"}),
        (["a=1", "b:=1", "c:=[true]", "d="], {"a": "1", "b": 1, "c": [True], "d": ""}),
        (["a=b=c", "url=http://x/?q=1"], {"a": "b=c", "url": "http://x/?q=1"}),
        (["a:b=c"], {"a:b": "c"}),
        (['{"a": "x=y"}'], {"a": "x=y"}),
        (["[1, 2]"], [1, 2]),
        (['"a=b"'], "a=b"),
        (["5"], 5),
        (["null"], {}),
        (["--", "-1.5"], -1.5),
        (["name=ünï\u202e"], {"name": "ünï\u202e"}),
    ],
)
def test_data(cli: Cli, store: DirectoryStore, typed: list[str], data: Any) -> None:
    assert cli("add", "hello", "--id", "x", *typed).code == 0
    assert there(store, "x").data == data


def test_data_from_a_file_and_from_standard_input(
    cli: Cli, store: DirectoryStore, tmp_path: Path
) -> None:
    (tmp_path / "data.json").write_text('{"from": "file"}')
    assert cli("add", "a", "--id", "x", "--data-file", "data.json").code == 0
    assert cli("add", "a", "--id", "y", "--data-file", "-", stdin="[1]").code == 0
    assert there(store, "x").data == {"from": "file"}
    assert there(store, "y").data == [1]


def test_every_option_arrives(cli: Cli, store: DirectoryStore) -> None:
    result = cli(
        *(
            "add",
            "hello",
            "--priority",
            "-5",
            "--max-retries",
            "0",
            "--delay",
            "2h",
            "--id",
            "x",
        ),
        *("--timeout", "1m30s", "--tag", "a", "--tag", "b", "--backoff", "1s,2m"),
        *("--concurrency-key", "k"),
    )
    assert result == (0, "x\n", "")
    job = there(store, "x")
    assert (job.priority, job.max_retries, job.timeout) == (-5, 0, 90.0)
    assert (job.run_at, job.tags, job.concurrency_key) == (after(7200), ("a", "b"), "k")
    assert job.backoff == RetryPolicy(delays=(1.0, 120.0))
    assert cli("add", "hello", "--id", "y", "--backoff", '{"base": "2s"}').code == 0
    assert there(store, "y").backoff == RetryPolicy(base=2.0)


@pytest.mark.parametrize(
    ("typed", "moment"),
    [
        ("2026-12-31T23:59:59Z", datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("2026-12-31T23:59:59", datetime(2026, 12, 31, 22, 59, 59, tzinfo=UTC)),
        ("2027-07-01 12:00", datetime(2027, 7, 1, 10, 0, tzinfo=UTC)),
        ("2020-01-01", None),
    ],
)
def test_a_time_without_a_zone_is_local(
    cli: Cli, store: DirectoryStore, typed: str, moment: datetime | None
) -> None:
    assert cli("add", "hello", "--id", "x", "--at", typed).code == 0
    assert there(store, "x").run_at == moment


def test_an_id_that_is_taken(cli: Cli, store: DirectoryStore) -> None:
    put(store, make_job("x", data={"old": 1}))
    kept = "note: job x is there already (pending): it was kept as it is\n"
    assert cli("add", "new", "--id", "x") == (0, "x\n", kept)
    assert there(store, "x").name == "work"
    refused = cli("add", "new", "--id", "x", "--if-exists", "error")
    assert (refused.code, refused.out) == (4, "")
    assert refused.err.startswith("jobctl: job x is there already (pending)")
    assert cli("add", "new", "--id", "x", "--if-exists", "replace") == (0, "x\n", "")
    assert there(store, "x").name == "new"
    claim(store)
    assert cli("add", "new", "--id", "x", "--if-exists", "replace").code == 4


def test_a_name_that_no_handler_has(cli: Cli, store: DirectoryStore, tmp_path: Path) -> None:
    handlers = tmp_path / "store" / "handlers.json"
    handlers.write_text(json.dumps({"handlers": {"hello": {}, "send-email": {}}}))
    assert cli("add", "hello").err == ""
    assert cli("add", "sned-email").err == (
        "note: no handler is known for sned-email (did you mean send-email?): "
        "the job fails unless there is one when it runs\n"
    )
    handlers.write_text("no JSON")
    assert cli("add", "sned-email").err == ""


def test_wait(cli: Cli, store: DirectoryStore) -> None:
    put(store, make_job("good"), make_job("bad"))
    end(store, claim(store)[0])
    assert cli("add", "x", "--id", "good", "--wait").code == 0
    assert cli("cancel", "bad").code == 0
    assert cli("add", "x", "--id", "bad", "--wait").code == 1
    late = cli("add", "x", "--id", "new", "--wait-timeout", "0")
    assert (late.code, late.out) == (124, "new\n")
    assert late.err == "note: timed out; not finished: new\n"


REFUSED = [
    (["hello", "a=1", "a=2"], "data key 'a' is given twice: remove one"),
    (["hello", "foo"], "'foo' is neither JSON nor key=value nor key:=json"),
    (["hello", "=x"],
     "'=x' is no key=value and no key:=json: JSON data stands alone, in quotes"),
    (["hello", '{"a":1}', "b=2"], None),
    (["hello", "a:=nope"], None),
    (["hello", '{"a":NaN}'],
     "data is refused: it holds NaN, which JSON does not have: write null"),
    (["hello", '{"a":1,"a":2}'], None),
    (["hello", "[" * 200 + "]" * 200], None),
    (["hello", "n:=" + "9" * 30], None),
    (["hello", "a=" + "x" * 2**21], None),
    (["hello", "a=\udcff"], None),
    (["bad name"], None),
    (["hello", "--id", "../x"], None),
    (["hello", "--id", "stats"], None),
    (["hello", "--priority", "99999999999"], None),
    (["hello", "--max-retries", "-1"], None),
    (["hello", "--delay", "5x"], None),
    (["hello", "--at", "tomorrow"], None),
    (["hello", "--at", "0001-01-01"], "the time 0001-01-01 is beyond the calendar"),
    (["hello", "--at", "2030-01-01", "--delay", "1m"],
     "--delay and --at say the same in two ways: give one"),
    (["hello", "--timeout", "0"], None),
    (["hello", "--backoff", "1s,x"], None),
    (["hello", "--backoff", "{"], None),
    (["hello", "--tag", "a\nb"], None),
    (["hello", "--if-exists", "maybe"], None),
    (["hello", "--wait-timeout", "x"], None),
    (["hello", "--data-file", "/nope"], "/nope cannot be read: No such file or directory"),
    (["hello", "--data-file", "."], ". cannot be read: Is a directory"),
    (["hello", "--data-file", "a\0b"], None),
    (["hello", "--data-file", "x", "a=1"],
     "data stands both in the arguments and in --data-file: give one"),
    ([], "NAME is missing: say which handler runs the job, or use --from FILE"),
]  # fmt: skip


@pytest.mark.parametrize(("typed", "message"), REFUSED)
def test_refused(
    cli: Cli, store: DirectoryStore, typed: list[str], message: str | None
) -> None:
    result = cli("add", *typed)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("jobctl: ")
    assert len(result.err.splitlines()) <= 2
    assert "Traceback" not in result.err
    if message is not None:
        assert result.err == f"jobctl: {message}\n"
    assert store.stats().total == 0
