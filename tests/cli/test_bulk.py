"""Verbs with a filter: questions, dry runs, what is said, Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Sequence

import pytest
import typer

from jobctl.cli import render
from jobctl.core.job import Options, Outcome, Status
from jobctl.errors import StoreFull
from jobctl.services import bulk as bulk_module
from jobctl.services.bulk import Bulk, Step
from jobctl.stores.directory.store import DirectoryStore
from tests.cli.conftest import Cli
from tests.helpers import FakeClock, after, claim, end, ids, make_job, put, there

DEAD = Options(max_retries=0)
NEEDS_YES = "needs --yes where nobody can be asked"


@pytest.fixture(autouse=True)
def jobs(store: DirectoryStore, clock: FakeClock) -> None:
    """Twelve dead jobs, a completed one and a pending one; it is two days later now."""
    put(store, *(make_job(f"dead{n:02}", name="mail", data={"n": n}) for n in range(12)))
    for job in claim(store, 12):
        end(store, job, Outcome.ERROR, after(1), DEAD)
    put(store, make_job("done", name="report"))
    end(store, claim(store)[0], at=after(2))
    put(store, make_job("waiting", name="report"))
    clock.advance(2 * 86400)


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Answer each question with yes, and note it."""
    asked: list[str] = []

    def confirm(text: str, *, abort: bool, err: bool) -> None:
        assert abort
        assert err
        asked.append(text)

    monkeypatch.setattr(typer, "confirm", confirm)
    return asked


@pytest.mark.parametrize("verb", ["retry", "cancel", "delete"])
def test_a_filter_needs_yes_where_nobody_can_be_asked(
    verb: str, cli: Cli, store: DirectoryStore
) -> None:
    before = store.list()
    result = cli(verb, "name:*")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"jobctl: {verb} with a filter {NEEDS_YES}")
    assert cli(verb, "name:nobody").code == 2
    assert cli(verb, "name:nobody", "--yes") == (0, "", "note: no job matches\n")
    assert store.list() == before


def test_retry(cli: Cli, store: DirectoryStore) -> None:
    result = cli("retry", "status:failed", "data.n<3", "--yes")
    assert result == (0, "dead00\ndead01\ndead02\n", "")
    assert store.stats().failed == 9
    found = json.loads(cli("retry", "status:failed data.n<5", "-y", "--json").out)
    assert [(one["id"], one["status"]) for one in found] == [
        ("dead03", "pending"),
        ("dead04", "pending"),
    ]
    assert cli("retry", "name:nobody", "-y", "--json").out == "[]\n"


def test_those_that_a_verb_does_not_fit_are_named(cli: Cli) -> None:
    result = cli("retry", "name:report", "--yes")
    assert result == (0, "", "note: none of the 2 jobs that match can be retried\n")


def test_cancel_and_delete(cli: Cli, store: DirectoryStore) -> None:
    assert cli("cancel", "name:report", "--yes") == (0, "waiting\n", "")
    assert there(store, "waiting").status is Status.CANCELLED
    assert cli("delete", "name:report", "--yes").out == "done\nwaiting\n"
    assert cli("delete", "data.n>9", "--yes", "--json") == (0, '{"deleted": 2}\n', "")
    assert store.stats().total == 10


def test_cancel_waits_for_those_of_a_filter(cli: Cli) -> None:
    result = cli("cancel", "name:report", "--yes", "--wait", "--json")
    [record] = json.loads(result.out)
    assert (record["id"], record["status"]) == ("waiting", "cancelled")


@pytest.mark.parametrize(
    ("verb", "done"),
    [("retry", "retried"), ("delete", "deleted"), ("cleanup", "deleted")],
)
def test_a_dry_run(verb: str, done: str, cli: Cli, store: DirectoryStore) -> None:
    before = store.list()
    result = cli(verb, "name:mail", "--dry-run")
    assert result.code == 0
    assert [row.split()[0] for row in result.out.splitlines()] == [
        "ID",
        *(f"dead{n:02}" for n in range(11, 1, -1)),
    ]
    assert result.err == f"note: 12 jobs would be {done}; none was, the first 10 are shown\n"
    document = json.loads(cli(verb, "name:mail", "--dry-run", "--json").out)
    assert (document["matched"], len(document["jobs"])) == (12, 10)
    nothing = cli(verb, "name:nobody", "--dry-run", "--json")
    assert json.loads(nothing.out) == {"matched": 0, "jobs": []}
    assert store.list() == before


def test_a_question_on_a_terminal(cli: Cli, store: DirectoryStore, answers: list[str]) -> None:
    cli.on_terminal()
    assert cli("retry", "data.n<2") == (0, "dead00\ndead01\n", "")
    assert cli("cancel", "id:waiting").out == "waiting\n"
    assert cli("delete", "name:mail").code == 0
    assert cli("cleanup", "name:*").out == "2\n"
    assert answers == ["Retry 2 jobs?", "Cancel 1 job?", "Delete 12 jobs?", "Delete 2 jobs?"]
    assert cli("retry", "name:nobody") == (0, "", "note: no job matches\n")
    assert len(answers) == 4
    assert store.stats().total == 0


def test_no_means_that_nothing_happens(
    cli: Cli, store: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no(text: str, **options: object) -> None:
        raise typer.Abort

    monkeypatch.setattr(typer, "confirm", no)
    cli.on_terminal()
    assert cli("delete", "name:mail") == (130, "", "")
    assert store.stats().total == 14


def test_cleanup(cli: Cli, store: DirectoryStore) -> None:
    assert cli("cleanup", "name:mail", "data.n:0,1") == (0, "2\n", "")
    assert cli("cleanup", "name:mail", "--older-than", "3d") == (0, "0\n", "")
    assert cli("cleanup", "name:mail data.n<4", "--older-than", "1d", "--json").out == (
        '{"deleted": 2}\n'
    )
    assert cli("cleanup", "name:report", "--before", "2026-11-25") == (0, "1\n", "")
    assert cli("cleanup", "name:report") == (0, "0\n", "")
    assert store.stats().total == 9


@pytest.mark.parametrize("verb", ["retry", "cancel", "delete", "wait"])
def test_ids_and_filters_do_not_mix(verb: str, cli: Cli, store: DirectoryStore) -> None:
    result = cli(verb, "name:mail", "dead01")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("jobctl: filter: 'dead01' is no term")
    assert store.stats().failed == 12


def test_a_mistyped_field_is_told_apart_from_an_id(cli: Cli) -> None:
    assert cli("delete", "stauts=failed").code == 2
    result = cli("delete", "stauts:failed")
    assert result.code == 3
    assert "did you mean status:failed?" in result.err
    assert "did you mean" not in cli("delete", "zzzz:failed").err


def test_wait_and_stats(cli: Cli, store: DirectoryStore) -> None:
    assert cli("wait", "name:report", "--timeout", "0").code == 124
    assert cli("wait", "status:completed name:report") == (0, "done  completed\n", "")
    assert cli("wait", "name:mail data.n<1").code == 1
    nobody = cli("wait", "name:nobody", "--json")
    assert nobody == (0, "[]\n", "note: no job matches: there is nothing to wait for\n")
    found = json.loads(cli("stats", "name:report", "--json").out)
    assert found == {
        "pending": 1, "running": 0, "completed": 1, "failed": 0, "cancelled": 0, "total": 2
    }  # fmt: skip


def test_list(cli: Cli) -> None:
    assert cli("list", "-q", "data.n>=10").out == "dead11\ndead10\n"
    assert cli("list", "-q", "name:rep*", "status!=pending").out == "done\n"
    assert cli("list", "-q", "--status", "dead,pending", "--name", "re*").out == "waiting\n"
    assert cli("list", "name:nobody") == (0, "", "note: no job matches\n")
    cut = cli("list", "-q", "name:mail", "--limit", "2", "--offset", "4")
    assert cut.out == "dead07\ndead06\n"
    assert cut.err == (
        "note: jobs 5 to 6 of 12, the newest first; --offset 6 shows the next, "
        "a higher --limit more\n"
    )
    slow = cli("list", "--jsonl", "data.n>1", "--limit", "2")
    assert [json.loads(line)["id"] for line in slow.out.splitlines()] == ["dead11", "dead10"]
    assert slow.err.startswith("note: jobs 1 to 2, the newest first")


def test_many_are_listed_page_by_page(
    cli: Cli, store: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobctl.services.looking.STEP", 5)
    found = cli("list", "--jsonl", "name:mail", "--limit", "11", "--offset", "1")
    shown = [json.loads(line)["id"] for line in found.out.splitlines()]
    assert shown == [f"dead{n:02}" for n in range(10, -1, -1)]
    assert found.err == ""


@pytest.fixture
def steps_of_five(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_module, "STEP", 5)


def second_step(monkeypatch: pytest.MonkeyPatch, meanwhile: object) -> None:
    """Let something happen in the midst of the second step, a callable without arguments."""
    real = Bulk._step
    calls: list[int] = []

    def step(self: Bulk, jobs: Sequence[object]) -> Step:
        calls.append(1)
        if len(calls) == 2:
            assert callable(meanwhile)
            meanwhile()
        return real(self, jobs)  # type: ignore[arg-type]  # handed on as it came

    monkeypatch.setattr(Bulk, "_step", step)


@pytest.mark.usefixtures("steps_of_five")
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_ctrl_c_ends_it_after_a_step(
    options: list[str], cli: Cli, store: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    second_step(monkeypatch, lambda: os.kill(os.getpid(), signal.SIGINT))
    result = cli("retry", "name:mail", "--yes", *options)
    assert result.code == 130
    assert result.err == "note: 10 jobs were retried; the others are as they were\n"
    if options:
        shown = [one["id"] for one in json.loads(result.out)]
    else:
        shown = result.out.splitlines()
    assert shown == [f"dead{n:02}" for n in range(10)]
    assert ids(store.list(status=Status.FAILED)) == ["dead11", "dead10"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.usefixtures("steps_of_five")
def test_a_second_ctrl_c_does_not_wait(
    cli: Cli, store: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def twice() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    second_step(monkeypatch, twice)
    result = cli("delete", "name:mail", "--yes", "--json")
    assert (result.code, result.out) == (130, '{"deleted": 5}\n')
    assert store.stats().failed == 7


@pytest.mark.usefixtures("steps_of_five")
def test_an_error_says_how_far_it_came(
    cli: Cli, store: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise StoreFull("no room")

    second_step(monkeypatch, fail)
    result = cli("retry", "name:mail", "--yes", "--json")
    assert result.code == 5
    assert len(json.loads(result.out)) == 5
    assert result.err.splitlines() == [
        "note: 5 jobs were retried; the others are as they were",
        "jobctl: no room",
    ]
    assert store.stats().pending == 6


def test_what_was_skipped_is_said(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def step(self: Bulk, jobs: Sequence[object]) -> Step:
        return Step([], 3, ["job x comes after y, which failed: retry that one first"])

    monkeypatch.setattr(Bulk, "_step", step)
    assert cli("retry", "name:mail", "--yes").err.splitlines() == [
        "note: 3 jobs changed meanwhile, and did not match any more",
        "note: 1 job could not be retried; the first: job x comes after y, which failed: "
        "retry that one first",
    ]


@pytest.mark.parametrize(("patience", "shown"), [(0.0, True), (3600.0, False)])
def test_a_bar_appears_for_the_patient(
    patience: float, shown: bool, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(render, "on_terminal", lambda stream: stream is sys.stderr)
    monkeypatch.setattr("jobctl.cli.bulk.PATIENCE", patience)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    result = cli("retry", "name:mail", "--yes")
    assert len(result.out.splitlines()) == 12
    assert ("retry" in result.err) is shown
