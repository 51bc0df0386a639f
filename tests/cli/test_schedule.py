"""jobctl schedule: listed, planned, added, removed, switched, triggered."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent

import pytest

from jobctl.core.note import SCHEDULE
from jobctl.core.standing import TickOutcome, standing_of
from jobctl.runtime.log import Log
from jobctl.runtime.ticker import Ticker
from jobctl.stores.directory.store import DirectoryStore
from tests.cli.conftest import Cli
from tests.helpers import FakeClock, after

FILE = """
[schedules.nightly]
cron = "30 2 * * *"
timezone = "America/New_York"
job = "clean"
data = { days = 7, password = "x" }

[schedules.beat]
every = "90s"
job = "ping"
expect_within = "1h"

[redact]
keys = ["password"]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "jobs.toml"
    path.write_text(FILE)
    path.chmod(0o644)
    tmp_path.chmod(0o755)
    return path


def fire(store: DirectoryStore, clock: FakeClock, seconds: float) -> None:
    """Be a daemon for so long."""
    from jobctl import bootstrap

    ticker = Ticker(Log(clock), up_since=clock.now())
    ticker.use(bootstrap.open_config(None, None, deep=True).declared)
    for later in (0, seconds):
        clock.advance(later)
        while ticker.due(clock.now()):
            ticker.step(store, clock.now())


@pytest.mark.usefixtures("file")
def test_list(cli: Cli, store: DirectoryStore, clock: FakeClock) -> None:
    fire(store, clock, 90)
    assert cli("schedule", "list").out == dedent("""\
        NAME     WHEN         NEXT                       ZONE              LAST RUN                   OUTCOME  RUNS
        beat     every 1m30s  2026-11-24T13:03:00+01:00  Europe/Berlin     2026-11-24T13:01:30+01:00  fired    1
        nightly  30 2 * * *   2026-11-25T02:30:00-05:00  America/New_York  -                          -        0
        """)  # noqa: E501  # fmt: skip
    (beat, nightly) = json.loads(cli("schedule", "list", "--json").out)
    assert list(beat) == [
        "name", "cron", "every", "timezone", "job", "data", "priority", "max_retries",
        "enabled", "overlap", "catch_up", "catch_up_window", "jitter", "expect_within",
        "start", "end", "next_run", "last_run", "last_outcome", "run_count", "source",
    ]  # fmt: skip
    assert (beat["next_run"], beat["run_count"]) == ("2026-11-24T12:03:00Z", 1)
    assert nightly["source"].endswith("jobs.toml:2")
    assert nightly["data"] == {"days": 7, "password": "***"}


@pytest.mark.usefixtures("file")
def test_list_on_a_terminal(cli: Cli, store: DirectoryStore, clock: FakeClock) -> None:
    fire(store, clock, 90)
    cli.on_terminal()
    out = cli("schedule", "list").out
    assert "2026-11-25 02:30:00 " in out  # the zone has a column
    assert "just now" in out


def test_nothing_to_list(cli: Cli) -> None:
    assert "no schedules" in cli("schedule", "list").err
    assert json.loads(cli("schedule", "list", "--json").out) == []


@pytest.mark.usefixtures("file")
def test_show(cli: Cli) -> None:
    out = cli("schedule", "show", "nightly").out
    assert 'data             {"days": 7, "password": "***"}' in out
    assert "next_run         2026-11-25 02:30:00-05:00" in out
    assert json.loads(cli("schedule", "show", "beat", "--json").out)["every"] == 90
    missing = cli("schedule", "show", "nighty")
    assert (missing.code, missing.err) == (
        3,
        "jobctl: there is no schedule nighty: did you mean nightly?\n",
    )


@pytest.mark.usefixtures("file")
def test_next_flags_absent_hours(cli: Cli) -> None:
    rows = json.loads(
        cli(
            "schedule", "next", "nightly", "-n", "2", "--from", "2026-03-07T12:00", "--json"
        ).out
    )
    assert [row["local"] for row in rows] == [
        "2026-03-08T03:00:00-04:00",
        "2026-03-09T02:30:00-04:00",
    ]
    assert rows[0]["at"] == "2026-03-08T07:00:00Z"
    assert "absent" in rows[0]["note"] or "02:30" in rows[0]["note"]
    assert rows[1]["note"] is None


@pytest.mark.usefixtures("file")
def test_next_of_all_is_in_order(cli: Cli) -> None:
    lines = cli("schedule", "next", "-n", "3").out.splitlines()
    assert [line.split()[0] for line in lines] == ["SCHEDULE", "beat", "beat", "beat"]
    cli("schedule", "disable", "beat")
    lines = cli("schedule", "next", "-n", "1").out.splitlines()
    assert lines[1].split()[0] == "nightly"
    assert cli("schedule", "next", "--from", "soon").code == 2


def test_add_writes_a_drop_in_and_remove_takes_it_away(cli: Cli, file: Path) -> None:
    result = cli("schedule", "add", "new", "DAILY_3AM", "report", "to=a@b.c", "n:=2")
    path = file.parent / "jobs.d" / "new.toml"
    assert (result.code, result.out) == (0, f"{path}\n")
    assert path.read_text() == dedent("""\
        # Written by jobctl; `jobctl schedule remove` takes it away.
        [schedules.new]
        cron = "DAILY_3AM"
        job = "report"

        [schedules.new.data]
        to = "a@b.c"
        n = 2
        """)
    shown = json.loads(cli("schedule", "show", "new", "--json").out)
    assert (shown["data"], shown["timezone"]) == ({"to": "a@b.c", "n": 2}, "Europe/Berlin")
    again = cli(
        "schedule", "add", "new", "--every", "1h", "--job", "x", "--overlap", "allow",
        "--start", "2026-12-01T00:00", "--timezone", "UTC", "--disabled", "--jitter", "30s",
        "--json",
    )  # fmt: skip
    assert json.loads(again.out) == {"name": "new", "file": str(path)}
    shown = json.loads(cli("schedule", "show", "new", "--json").out)
    assert (shown["every"], shown["cron"], shown["enabled"]) == (3600, None, False)
    assert (shown["start"], shown["jitter"]) == ("2026-11-30T23:00:00Z", 30.0)
    assert cli("config", "check").out.count("no handler is called") == 3
    removed = cli("schedule", "remove", "new")
    assert (removed.code, removed.out) == (0, "new\n")
    assert not path.exists()
    assert cli("schedule", "remove", "new").code == 3
    assert list(path.parent.iterdir()) == []


def test_without_a_file_drop_ins_are_the_users(cli: Cli, tmp_path: Path) -> None:
    assert cli("schedule", "add", "new", "@daily", "report").code == 0
    assert (tmp_path / "config/jobctl/jobs.d/new.toml").exists()
    assert [one["name"] for one in json.loads(cli("schedule", "list", "--json").out)] == ["new"]


def test_hand_written_ones_are_named_with_file_and_line(cli: Cli, file: Path) -> None:
    result = cli("schedule", "remove", "beat")
    assert result.code == 4
    assert result.err == (
        f"jobctl: schedule beat is written by hand, {file}:8: edit it there\n"
    )
    assert cli("schedule", "add", "beat", "@daily", "x").code == 4
    folder = file.parent / "jobs.d"
    folder.mkdir(mode=0o755)
    (folder / "mine.toml").write_text("[schedules.mine]\nevery = 5\njob = 'x'\n")
    (folder / "mine.toml").chmod(0o644)
    assert "mine.toml:1" in cli("schedule", "remove", "mine").err
    assert (folder / "mine.toml").exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["x"], "when is missing"),
        (["x", "@daily"], "job is missing"),
        (["x", "0 0 31 2 *", "j"], "no FEB has day 31"),
        (["x", "61 0 1 2 *", "j"], "minute"),
        (["x", "@daily", "j", "--every", "5s"], "neither JSON"),
        (["x", "--every", "nope", "--job", "j"], "every 'nope' is refused"),
        (["x", "@daily", "j", "--timezone", "Mars"], "timezone 'Mars' is unknown"),
        (["x", "@daily", "j", "--overlap", "skp"], "did you mean skip?"),
        (["x", "@daily", "j", "n:=null"], "TOML does not have"),
        (["a/b", "@daily", "j"], "name 'a/b' is refused"),
        (["x" * 101, "@daily", "j"], "use 100 at most"),
        (
            ["x", "@daily", "j", "--start", "2026-02-01", "--end", "2026-01-01"],
            "end lies before",
        ),
    ],
)
def test_what_cannot_be_is_not_written(
    cli: Cli, file: Path, args: list[str], message: str
) -> None:
    result = cli("schedule", "add", *args)
    assert result.code == 2, result
    assert message in result.err
    assert not (file.parent / "jobs.d").exists()


@pytest.mark.usefixtures("file")
def test_the_switch(cli: Cli, store: DirectoryStore, clock: FakeClock) -> None:
    fire(store, clock, 0)
    assert cli("schedule", "disable", "beat").out == "beat\n"
    fire(store, clock, 900)
    assert store.list() == []
    assert cli("schedule", "list").out.splitlines()[1].split()[3] == "disabled"
    (shown,) = json.loads(cli("schedule", "enable", "beat", "--json").out)
    assert (shown["enabled"], shown["next_run"]) == (True, "2026-11-24T12:16:30Z")
    fire(store, clock, 60)
    assert store.list() == []
    fire(store, clock, 60)
    assert len(store.list()) == 1
    assert cli("schedule", "enable", "beet", "beat").code == 3


@pytest.mark.usefixtures("file")
def test_trigger_prints_the_id(cli: Cli, store: DirectoryStore) -> None:
    cli("schedule", "disable", "nightly")
    job_id = cli("schedule", "trigger", "nightly").out.strip()
    job = store.get(job_id)
    assert job is not None
    assert (job.name, job.data["days"], job.schedule) == ("clean", 7, "nightly")
    assert set(json.loads(cli("schedule", "trigger", "nightly", "--json").out)) == {"id"}
    shown = json.loads(cli("schedule", "show", "nightly", "--json").out)
    assert (shown["run_count"], shown["last_run"]) == (2, "2026-11-24T12:00:00Z")
    assert cli("schedule", "trigger", "x").code == 3


@pytest.mark.usefixtures("file")
def test_history(cli: Cli, store: DirectoryStore, clock: FakeClock) -> None:
    assert "no tick has come yet" in cli("schedule", "history", "beat").err
    fire(store, clock, 90)
    fire(store, clock, 900)
    ticks = json.loads(cli("schedule", "history", "beat", "--json").out)
    assert [(one["outcome"], one["count"]) for one in ticks] == [
        (TickOutcome.SKIPPED, 1),
        (TickOutcome.MISSED, 9),
        (TickOutcome.FIRED, 1),
    ]
    assert ticks[2]["job_id"] == "beat@2026-11-24T12:01:30Z"
    assert set(ticks[0]) == {"schedule", "at", "outcome", "reason", "job_id", "count", "last"}
    lines = cli("schedule", "history", "beat", "-n", "2").out.splitlines()
    assert [line.split()[2] for line in lines] == ["JOB", "skipped", "missed"]
    assert "an earlier job was unfinished: beat@2026-11-24T12:01:30Z" in lines[1]


@pytest.mark.usefixtures("file")
def test_a_schedule_that_comes_back_owes_nothing(
    cli: Cli, store: DirectoryStore, clock: FakeClock
) -> None:
    cli("schedule", "add", "new", "--every", "60s", "--job", "x", "--overlap", "allow")
    fire(store, clock, 60)
    cli("schedule", "remove", "new")
    clock.advance(3600)
    cli("schedule", "add", "new", "--every", "60s", "--job", "x", "--overlap", "allow")
    fire(store, clock, 59)
    assert len(store.list(name="x")) == 1
    (note,) = [note for note in store.notes(SCHEDULE) if note.key == "new"]
    assert standing_of(note).handled == after(3660)


def test_schedule_alone_shows_its_help(cli: Cli) -> None:
    result = cli("schedule")
    assert result.code == 2
    assert "history" in result.err


@pytest.mark.usefixtures("store")
def test_what_follows_from_a_job_without_a_handler(cli: Cli, tmp_path: Path) -> None:
    known = tmp_path / "store" / "handlers.json"
    known.write_text(json.dumps({"handlers": {"hello": {}}}))
    assert "no daemon starts" in cli("schedule", "add", "one", "@daily", "nosuch").err
    assert cli("schedule", "add", "two", "@daily", "hello").err == ""
