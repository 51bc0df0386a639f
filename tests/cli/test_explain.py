"""jobctl explain: whole outputs."""

from __future__ import annotations

import json
from textwrap import dedent

from jobctl.core.job import JobError, Options, Outcome
from jobctl.stores.directory.store import DirectoryStore
from tests.cli.conftest import Cli
from tests.cli.test_snapshots import CLEAN, NASTY
from tests.helpers import FakeClock, after, claim, end, make_job, put


def test_a_pending_job(cli: Cli, store: DirectoryStore, clock: FakeClock) -> None:
    put(store, make_job("first"), make_job("it", after=("first",), run_at=after(7200)))
    clock.advance(3600)
    result = cli("explain", "it")
    assert result.code == 0
    assert result.err == ""
    assert result.out == dedent("""\
        work it is pending
        - It comes after work first, which is pending.
        - It is delayed until 2026-11-24 15:00:00+01:00 (in 1h).
        - No daemon runs.
        next:
          jobctl explain first  look at that one
          jobctl run            start a daemon
        """)


def test_json(cli: Cli, store: DirectoryStore) -> None:
    put(store, make_job("it", run_at=after(60)))
    found = json.loads(cli("explain", "it", "--json").out)
    assert found == {
        "id": "it",
        "name": "work",
        "status": "pending",
        "reasons": [
            {
                "code": "delayed",
                "message": "It is delayed until 2026-11-24T12:01:00Z (in 1m).",
                "at": "2026-11-24T12:01:00Z",
            },
            {"code": "no-daemon", "message": "No daemon runs."},
        ],
        "about": [],
        "next": [{"command": "jobctl run", "why": "start a daemon"}],
    }


def test_hostile_text_is_harmless(cli: Cli, store: DirectoryStore) -> None:
    put(store, make_job("it", max_retries=0))
    error = JobError(NASTY, NASTY)
    end(store, claim(store)[0], Outcome.ERROR, options=Options(max_retries=0), error=error)
    result = cli("explain", "it")
    assert CLEAN in result.out
    assert not {"\x1b", "\x9b", "\u202e", "\u2028"} & set(result.out)
    assert "[retention] lets it be deleted at 2026-12-24 13:00:00+01:00" in result.out
    assert cli("explain", "it", "--json").out.isascii()


def test_by_the_beginning_of_an_id_and_an_unknown_one(cli: Cli, store: DirectoryStore) -> None:
    put(store, make_job("abc"), make_job("abd"))
    assert cli("explain", "abc").code == 0
    assert cli("explain", "ab").code == 2
    result = cli("explain", "x")
    assert (result.code, result.out) == (3, "")
    assert "there is no job x" in result.err
    assert cli("explain", "name:work").code == 2
