"""pause, resume, and add --after."""

from __future__ import annotations

import json

import pytest

from jobctl.stores.directory.store import DirectoryStore
from tests.cli.conftest import Cli
from tests.helpers import FakeClock, claim, ids, make_job, put, there


@pytest.fixture(autouse=True)
def jobs(store: DirectoryStore) -> None:
    put(store, make_job("a", name="mail"), make_job("b", name="report"))


def test_pause_and_resume_a_name(cli: Cli, store: DirectoryStore) -> None:
    said = "note: jobs of mail rest until `jobctl resume mail`; what runs goes on\n"
    assert cli("pause", "mail") == (0, "", said)
    assert ids(claim(store, 9)) == ["b"]
    assert cli("resume", "mail") == (0, "", "")
    assert ids(claim(store, 9)) == ["a"]


def test_pause_and_resume_everything(cli: Cli, store: DirectoryStore) -> None:
    said = "note: all jobs rest until `jobctl resume`; what runs goes on\n"
    assert cli("pause") == (0, "", said)
    assert cli("pause", "mail").code == 0
    assert claim(store, 9) == []
    again = "note: all jobs still rest: `jobctl resume` without a name ends that\n"
    assert cli("resume", "mail") == (0, "", again)
    assert claim(store, 9) == []
    assert cli("pause", "mail").code == 0
    assert cli("resume") == (0, "", "")
    assert ids(claim(store, 9)) == ["a", "b"]


def test_what_rests_is_shown(cli: Cli, clock: FakeClock) -> None:
    assert cli("pause", "--list") == (0, "", "note: nothing is paused\n")
    assert cli("pause", "--list", "--json") == (0, "[]\n", "")
    cli("pause", "mail")
    clock.advance(90)
    cli("pause", "mail")
    cli("pause")
    listed = json.loads(cli("pause", "--list", "--json").out)
    assert listed == [
        {"name": None, "since": "2026-11-24T12:01:30Z"},
        {"name": "mail", "since": "2026-11-24T12:00:00Z"},
    ]
    rows = cli("pause", "--list").out.splitlines()
    assert [row.split("  ")[0] for row in rows] == ["NAME", "(all jobs)", "mail"]
    assert "(1m30s ago)" in rows[2]
    notes = cli("stats").err.splitlines()
    assert "all jobs rest since" in notes[0]
    assert notes[1].endswith("(1m30s ago): `jobctl resume mail`")
    paused = json.loads(cli("health", "--json").out)["checks"][-2:]
    assert [one["message"] for one in paused] == [
        "all jobs rest until `jobctl resume`",
        "jobs of mail rest until `jobctl resume mail`",
    ]
    assert all(one["ok"] for one in paused)


def test_json_says_what_was_done(cli: Cli) -> None:
    done = cli("pause", "mail", "report", "--json")
    assert [one["name"] for one in json.loads(done.out)] == ["mail", "report"]
    done = cli("resume", "mail", "nope", "--json")
    assert [one["name"] for one in json.loads(done.out)] == ["mail"]
    assert done.err == "note: nope was not paused\n"
    assert [one["name"] for one in json.loads(cli("resume", "--json").out)] == ["report"]
    assert cli("resume") == (0, "", "note: nothing was paused\n")


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_what_can_be_no_name_is_refused(cli: Cli, verb: str) -> None:
    for name in ("*", "a b", ""):
        result = cli(verb, name)
        assert (result.code, result.out) == (2, "")
        assert result.err.startswith("jobctl: name ")


def test_a_list_takes_no_name(cli: Cli) -> None:
    assert cli("pause", "--list", "mail").code == 2
    assert cli("resume", "mail").err == "note: mail was not paused\n"
    cli("pause", "mail")
    assert cli("resume", "mial").err == "note: mial was not paused (did you mean mail?)\n"


def test_a_name_that_nobody_handles_is_noted(cli: Cli, store: DirectoryStore) -> None:
    (store.layout.root / "handlers.json").write_text('{"handlers": {"mail": {}}}')
    assert "(did you mean mail?)" in cli("pause", "mial").err


def test_add_after(cli: Cli, store: DirectoryStore) -> None:
    put(store, make_job("apple"), make_job("banana"), make_job("cherry"))
    added = cli("add", "x", "--id", "last", "--after", "app, banana", "--after", "cherry")
    assert added == (0, "last\n", "")
    assert there(store, "last").after == ("apple", "banana", "cherry")
    assert "after            apple, banana, cherry\n" in cli("show", "last").out


@pytest.mark.parametrize(
    ("after", "code", "said"),
    [
        ("none", 3, "there is no job none"),
        ("a,none", 3, "there is no job none"),
        ("a,,b", 2, "the id is empty"),
        ("gone", 4, "a job cannot come after gone, which was cancelled"),
    ],
)
def test_add_after_what_cannot_be(
    cli: Cli, store: DirectoryStore, after: str, code: int, said: str
) -> None:
    put(store, make_job("gone"))
    assert cli("cancel", "gone").code == 0
    result = cli("add", "x", "--after", after)
    assert (result.code, result.out) == (code, "")
    assert said in result.err
    assert store.stats().total == 3


def test_a_file_may_name_jobs_that_stand_before(cli: Cli, store: DirectoryStore) -> None:
    lines = '{"name": "x", "id": "one"}\n{"name": "y", "id": "two", "after": ["one"]}\n'
    assert cli("add", "--from", "-", stdin=lines) == (0, "one\ntwo\n", "")
    assert there(store, "two").after == ("one",)
    assert cli("add", "--from", "-", stdin='{"name": "x", "after": ["zero"]}\n').code == 3
    assert cli("add", "--from", "-", stdin='{"name": "x", "after": 7}\n').code == 2
    assert store.stats().total == 4
