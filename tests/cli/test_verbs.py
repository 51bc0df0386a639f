"""retry, cancel, delete, cleanup and wait: ids, exit codes, dry runs, JSON."""

from __future__ import annotations

import json
import threading

import pytest
import typer

from jobctl.core.job import Options, Outcome, Status
from jobctl.stores.directory.store import DirectoryStore
from tests.cli.conftest import Cli
from tests.helpers import FakeClock, after, claim, end, eventually, make_job, put, there

DEAD = Options(max_retries=0)


@pytest.fixture(autouse=True)
def jobs(store: DirectoryStore, clock: FakeClock) -> None:
    """A job of each status, named after it; it is two days later now."""
    for name in ("completed", "failed", "running"):
        put(store, make_job(name))
        claim(store)
    end(store, there(store, "completed"), at=after(1))
    end(store, there(store, "failed"), Outcome.ERROR, at=after(2), options=DEAD)
    put(store, make_job("pending"), make_job("pile-a"), make_job("pile-b"))
    clock.advance(2 * 86400)


def test_retry(cli: Cli, store: DirectoryStore) -> None:
    assert cli("retry", "failed") == (0, "failed\n", "")
    assert there(store, "failed").status is Status.PENDING
    assert cli("retry", "failed") == (
        4,
        "",
        "jobctl: job failed is pending: only a failed or cancelled job can be retried\n",
    )


def test_each_id_is_tried_and_the_first_failure_is_the_exit_code(
    cli: Cli, store: DirectoryStore
) -> None:
    result = cli("retry", "nope", "completed", "fail", "failed")
    assert (result.code, result.out) == (3, "failed\n")
    assert result.err.splitlines() == [
        "jobctl: there is no job nope: `jobctl list` shows them",
        "jobctl: job completed is completed: only a failed or cancelled job can be retried",
        "jobctl: job failed is pending: only a failed or cancelled job can be retried",
    ]
    assert cli("cancel", "completed", "nope", "pending").code == 4
    assert there(store, "pending").status is Status.CANCELLED


def test_an_ambiguous_prefix_lists_the_candidates(cli: Cli) -> None:
    result = cli("cancel", "pile")
    assert (result.code, result.out) == (2, "")
    assert "pile-a, pile-b" in result.err
    assert cli("show", "p").code == 2


def test_cancel_and_its_json(cli: Cli, store: DirectoryStore) -> None:
    assert cli("cancel", "pending", "running") == (0, "pending\nrunning\n", "")
    assert there(store, "running").cancelling
    records = json.loads(cli("cancel", "pile-a", "pile-b", "--json").out)
    assert [(r["id"], r["status"]) for r in records] == [
        ("pile-a", "cancelled"),
        ("pile-b", "cancelled"),
    ]
    [record] = json.loads(cli("retry", "pile-a", "--json").out)
    assert record["status"] == "pending"


def test_delete(cli: Cli, store: DirectoryStore) -> None:
    result = cli("delete", "running", "completed", "pend")
    assert (result.code, result.out) == (4, "completed\npending\n")
    assert store.get("completed") is None
    assert cli("delete", "failed", "--json") == (0, '{"deleted": 1}\n', "")
    assert cli("delete", "failed").code == 3


@pytest.mark.parametrize(
    ("verb", "fits", "not_", "done"),
    [
        ("retry", "failed", "completed", "retried"),
        ("cancel", "pending", "completed", "cancelled"),
        ("delete", "pending", "running", "deleted"),
    ],
)
def test_a_dry_run_shows_and_changes_nothing(
    cli: Cli, store: DirectoryStore, verb: str, fits: str, not_: str, done: str
) -> None:
    before = there(store, fits)
    result = cli(verb, fits, "--dry-run")
    assert result.code == 0
    assert result.out.splitlines()[1].split()[:3] == [fits, "work", fits]
    assert result.err == f"note: 1 job would be {done}; none was\n"
    document = json.loads(cli(verb, fits, "--dry-run", "--json").out)
    assert document["matched"] == 1
    assert [(j["id"], j["status"]) for j in document["jobs"]] == [(fits, fits)]
    assert cli(verb, fits, not_, "--dry-run").code == 4
    assert there(store, fits) == before


@pytest.mark.parametrize(
    "filter_", ["status:failed", "priority>=5", "data.to=a@b.c", "error~x", "age>2h", "id!=x"]
)
@pytest.mark.parametrize("verb", ["show", "logs"])
def test_a_filter_is_no_id(cli: Cli, verb: str, filter_: str) -> None:
    result = cli(verb, filter_)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"jobctl: {filter_!r} is a filter, and this command takes ids")


@pytest.mark.parametrize("verb", ["retry", "cancel", "delete", "wait", "show"])
def test_nothing_to_act_on(cli: Cli, verb: str) -> None:
    result = cli(verb)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("jobctl: missing argument 'ID")
    assert result.err.endswith(f"\nSee jobctl {verb} --help\n")


def test_cleanup(cli: Cli, store: DirectoryStore) -> None:
    assert cli("cleanup") == (0, "0\n", "")
    assert cli("cleanup", "--older-than", "3d") == (0, "0\n", "")
    dry = cli("cleanup", "--older-than", "1d", "--dry-run", "--json")
    assert json.loads(dry.out)["matched"] == 2
    assert cli("cleanup", "--before", "2026-11-24T13:00:02") == (0, "1\n", "")
    assert store.get("completed") is None
    assert cli("cleanup", "--older-than", "1d", "--json", "--yes").out == '{"deleted": 1}\n'
    assert store.stats().total == 4


def test_cleanup_asks_on_a_terminal(
    cli: Cli, store: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def say_no(text: str, **options: object) -> None:
        asked.append(text)
        raise typer.Abort

    monkeypatch.setattr(typer, "confirm", say_no)
    cli.on_terminal()
    assert cli("cleanup", "--older-than", "1d").code == 130
    assert asked == ["Delete 2 jobs?"]
    assert store.stats().total == 6
    assert cli("cleanup", "--older-than", "1d", "--yes") == (0, "2\n", "")


@pytest.mark.parametrize(
    "typed", [["--older-than", "x"], ["--before", "x"], ["--older-than", "1d", "--before", "x"]]
)
def test_cleanup_refuses(cli: Cli, store: DirectoryStore, typed: list[str]) -> None:
    result = cli("cleanup", *typed)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("jobctl: --")
    assert store.stats().total == 6


def test_cancel_waits_for_what_runs(cli: Cli, store: DirectoryStore) -> None:
    assert cli("cancel", "pending", "--wait") == (0, "pending\n", "")

    def end_it() -> None:
        eventually(lambda: there(store, "running").cancelling)
        end(store, there(store, "running"), Outcome.CANCELLED)

    daemon = threading.Thread(target=end_it)
    daemon.start()
    result = cli("cancel", "running", "nope", "--wait", "--json")
    daemon.join()
    assert result.code == 3  # of the one that is not there
    [record] = json.loads(result.out)
    assert (record["id"], record["status"]) == ("running", "cancelled")
    assert cli("cancel", "nope", "--wait").code == 3


def test_wait(cli: Cli) -> None:
    assert cli("wait", "comp") == (0, "completed  completed\n", "")
    assert cli("wait", "completed", "failed").code == 1
    assert cli("wait", "completed", "nope").code == 3
    late = cli("wait", "completed", "running", "--timeout", "0")
    assert late == (
        124,
        "completed  completed\nrunning    running\n",
        "note: timed out; not finished: running\n",
    )
    [record] = json.loads(cli("wait", "failed", "--json").out)
    assert record["status"] == "failed"
    assert cli("wait", "completed", "--timeout", "x").err.startswith("jobctl: --timeout: 'x'")
