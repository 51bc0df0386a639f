"""What people see, whole: in a pipe and on a terminal of 80 columns."""

from __future__ import annotations

import json
from textwrap import dedent

import pytest

from jobctl.core.job import RECORD_FIELDS, JobError, Outcome
from jobctl.core.job import Options as RunOptions
from jobctl.stores.directory.store import DirectoryStore
from tests.cli.conftest import Cli
from tests.helpers import FakeClock, after, claim, end, make_job, put

# One of everything that could break a table, a line or a terminal.
NASTY = "[/] [red]\x1b[31m\x9b1m\u202e\u2028\u200b\r\n\tend"
CLEAN = "[/] [red]\\x1b[31m\\x9b1m\\u202e\\u2028\\u200b\\x0d"


@pytest.fixture
def jobs(store: DirectoryStore, clock: FakeClock) -> None:
    """Five jobs, one of each kind, the oldest first; it is an hour later now."""
    put(store, make_job("done", name="report", tags=("eu", "daily"), timeout=90.0))
    end(store, claim(store)[0], at=after(2.5), result={"rows": 3}, worker="w1", max_rss=2**24)
    put(store, make_job("dead", name="send-email", data={"to": NASTY}, max_retries=0))
    error = JobError("SMTPError", NASTY, f"Traceback:\n  {NASTY}\nSMTPError")
    dead = RunOptions(max_retries=0)
    end(store, claim(store)[0], Outcome.ERROR, at=after(1), options=dead, error=error)
    put(store, make_job("busy", name="x" * 60))
    claim(store)
    put(store, make_job("later", run_at=after(7200)))
    put(store, make_job("again", name="sync"))
    end(store, claim(store)[0], Outcome.TIMEOUT, at=after(3590))
    clock.advance(3600)


@pytest.mark.usefixtures("jobs")
def test_list_in_a_pipe(cli: Cli) -> None:
    long = "x" * 60
    head = f"{'ID':5}  {'NAME':60}  STATUS     ATTEMPTS  CREATED                    NOTE"
    made = "2026-11-24T13:00:00+01:00"
    result = cli("list")
    assert result.code == 0
    assert result.err == ""
    assert result.out.splitlines() == [
        head,
        f"again  {'sync':60}  pending    1         {made}  retrying",
        f"later  {'work':60}  pending    0         {made}  scheduled in 1h",
        f"busy   {long}  running    1         {made}  for 1h",
        f"dead   {'send-email':60}  failed     1         {made}  SMTPError: {CLEAN}",
        f"done   {'report':60}  completed  1         {made}  took 2.5s",
    ]


@pytest.mark.usefixtures("jobs")
def test_list_on_a_terminal(cli: Cli) -> None:
    cli.on_terminal()
    result = cli("list", "--limit", "4")
    assert _trimmed(result.out) == dedent("""\
        ID     NAME                  STATUS   ATTEMPTS  CREATED  NOTE
        again  sync                  pending  1         1h ago   retrying
        later  work                  pending  0         1h ago   scheduled in 1h
        busy   xxxxxxxxxxxxxxxxxxx…  running  1         1h ago   for 1h
        dead   send-email            failed   1         1h ago   SMTPError: [/] [red]\\x…
        """)
    assert result.err == (
        "note: jobs 1 to 4 of 5, the newest first; --offset 4 shows the next, "
        "a higher --limit more\n"
    )


@pytest.mark.usefixtures("jobs")
def test_columns_is_respected_and_an_id_is_never_cut(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.on_terminal()
    monkeypatch.setenv("COLUMNS", "120")
    assert "dead   send-email" in (wide := cli("list").out)
    assert CLEAN[:40] in wide
    monkeypatch.setenv("COLUMNS", "20")
    rows = cli("list").out.splitlines()
    assert [row.split()[0] for row in rows] == ["ID", "again", "later", "busy", "dead", "done"]


SHOWN = """\
id               dead
name             send-email
status           failed
data             {"to": "[/] [red]\\u001b[31m\\x9b1m\\u202e\\u2028\\u200b\\r\\n\\tend"}
priority         0
attempts         1 of at most 1
created_at       2026-11-24 13:00:00+01:00 (1h ago)
started_at       2026-11-24 13:00:00+01:00 (1h ago)
finished_at      2026-11-24 13:00:01+01:00 (59m59s ago)
error            SMTPError: [/] [red]\\x1b[31m\\x9b1m\\u202e\\u2028\\u200b\\x0d
                 \\x09end

attempts:
{attempts}

last traceback:
  Traceback:
    [/] [red]\\x1b[31m\\x9b1m\\u202e\\u2028\\u200b\\x0d
  \tend
  SMTPError
"""


@pytest.mark.usefixtures("jobs")
def test_show_in_a_pipe(cli: Cli) -> None:
    attempts = (
        "OUTCOME  STARTED                    TOOK  WORKER  EXIT  ERROR\n"
        f"error    2026-11-24T13:00:00+01:00  1s    -       -     SMTPError: {CLEAN}"
    )
    assert cli("show", "de") == (0, SHOWN.replace("{attempts}", attempts), "")


@pytest.mark.usefixtures("jobs")
def test_show_on_a_terminal(cli: Cli) -> None:
    cli.on_terminal()
    attempts = (
        "OUTCOME  STARTED  TOOK  WORKER  EXIT  ERROR\n"
        "error    1h ago   1s                  SMTPError: [/] [red]\\x1b[31m\\x9b1m\\u202e\\…"
    )
    assert _trimmed(cli("show", "dead").out) == SHOWN.replace("{attempts}", attempts)


@pytest.mark.usefixtures("jobs")
def test_show_a_job_that_completed(cli: Cli) -> None:
    assert cli("show", "done").out == dedent("""\
        id               done
        name             report
        status           completed (took 2.5s)
        data             {}
        priority         0
        attempts         1
        created_at       2026-11-24 13:00:00+01:00 (1h ago)
        started_at       2026-11-24 13:00:00+01:00 (1h ago)
        finished_at      2026-11-24 13:00:02+01:00 (59m58s ago)
        timeout          1m30s
        tags             eu, daily
        result           {"rows": 3}

        attempts:
        OUTCOME    STARTED                    TOOK  WORKER  EXIT         ERROR
        completed  2026-11-24T13:00:00+01:00  2.5s  w1      peak 16 MiB  -
        """)


@pytest.mark.usefixtures("jobs")
def test_stats(cli: Cli) -> None:
    rows = dedent("""\
        STATUS     JOBS
        pending    2
        running    1
        completed  1
        failed     1
        cancelled  0
        total      5
        """)
    assert cli("stats") == (0, rows, "")
    assert cli("stats", "--json").out == (
        '{"pending": 2, "running": 1, "completed": 1, "failed": 1, "cancelled": 0, '
        '"total": 5}\n'
    )
    cli.on_terminal()
    assert _trimmed(cli("stats").out) == rows


@pytest.mark.usefixtures("jobs")
def test_json_is_ascii_and_the_whole_record(cli: Cli, store: DirectoryStore) -> None:
    result = cli("show", "dead", "--json")
    assert result.out.isascii()
    assert "\x1b" not in result.out
    record = json.loads(result.out)
    assert list(record) == list(RECORD_FIELDS)
    assert record["data"] == {"to": NASTY}
    assert record["created_at"] == "2026-11-24T12:00:00Z"
    assert record["history"][0]["outcome"] == "error"
    [line] = cli("list", "--jsonl", "--status", "failed").out.splitlines()
    assert json.loads(line) == record
    assert json.loads(cli("list", "--json", "--status", "failed").out) == [record]


@pytest.mark.usefixtures("jobs")
def test_list_narrows_down(cli: Cli) -> None:
    assert cli("list", "-q").out.split() == ["again", "later", "busy", "dead", "done"]
    assert cli("list", "-q", "--name", "work").out.split() == ["later"]
    assert cli("list", "-q", "--offset", "3", "--limit", "2").out.split() == ["dead", "done"]
    assert cli("list", "-q", "--limit", "5").err == ""
    assert cli("list", "-q", "--limit", "1", "--status", "pending").err.startswith(
        "note: jobs 1 to 1 of 2, "
    )


def test_nothing_to_list(cli: Cli) -> None:
    assert cli("list") == (0, "", "note: no jobs\n")
    assert cli("list", "--json") == (0, "[]\n", "")
    assert cli("list", "--jsonl") == (0, "", "")


def _trimmed(text: str) -> str:
    """Rich fills its columns up to the right edge."""
    return "".join(line.rstrip() + "\n" for line in text.splitlines())
