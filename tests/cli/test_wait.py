"""wait, on a terminal: how far the jobs have come."""

from __future__ import annotations

import signal
from collections import Counter

import pytest

from jobctl.cli.waiting import view
from jobctl.cli.words import progress
from jobctl.core.job import Options, Outcome, Status
from jobctl.services.progress import create, folder_in, pack
from jobctl.stores.directory.store import DirectoryStore
from tests.cli.conftest import Cli
from tests.cli.terminal import on_terminal
from tests.helpers import NOON, after, claim, end, make_job, put

NO_DAEMON = "note: no daemon runs, so nothing ends before one is there: `jobctl run`\n"


def test_the_view() -> None:
    counts = Counter(
        {
            Status.COMPLETED: 1200,
            Status.FAILED: 2,
            Status.CANCELLED: 1,
            Status.RUNNING: 3,
            Status.PENDING: 5,
        }
    )
    running = [
        make_job(
            "a", status=Status.RUNNING, started_at=NOON, progress={"done": 3, "total": 10}
        ),
        make_job("b", status=Status.RUNNING, started_at=after(5), progress={"done": 1}),
    ]
    assert view(counts, running, 61.4, after(10)) == [
        "1,203 of 1,211 done, 2 failed, 1 cancelled, 3 running, 5 pending, 1m1s",
        "  a  work  for 10s, 3 of 10 (30%)",
        "  b  work  for 5s, 1",
        "  and 1 more",
    ]
    assert view(Counter({Status.PENDING: 1}), [], 0.2, NOON) == ["0 of 1 done, 1 pending, 0s"]


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (None, ""),
        ({"done": 3, "total": None, "note": "reading"}, "3, reading"),
        ({"done": 12345, "total": 20000, "note": None}, "12,345 of 20,000 (62%)"),
        ({"done": 0.25, "total": 1.0, "note": "x"}, "0.25 of 1 (25%), x"),
        ({"done": 0, "total": 0}, "0 of 0"),
        ("of an older version", ""),
    ],
)
def test_progress_as_people_read_it(said: object, shown: str) -> None:
    assert progress(said) == shown


@pytest.mark.usefixtures("real")
def test_a_terminal_is_shown_how_far_they_have_come(store: DirectoryStore) -> None:
    put(store, make_job("a"), make_job("b", name="x" * 100))
    with on_terminal("wait", "a", "b", piped=True) as waiting:
        waiting.until("0 of 2 done, 2 pending, ")
        end(store, claim(store)[0], Outcome.ERROR, options=Options(max_retries=0))
        waiting.until("1 of 2 done, 1 failed, 1 pending")
        [job] = claim(store)
        create(folder_in(store.files), "b")
        said = pack(NOON.timestamp(), b'{"done": 4, "total": 8, "note": "\\u001b[2J"}')
        (store.files / "progress" / "b").write_bytes(said)
        shown = waiting.until("  b  xxx").split("1 running")[-1]
        assert f"  b  {'x' * 74}…" in shown  # one line of the terminal
        assert "\x1b[2J" not in shown
        end(store, job)
        assert waiting.process.stdout is not None
        assert waiting.process.stdout.read() == b"a  failed\nb  completed\n"
        shown = waiting.end(1)
    assert "\x1b[31m" not in shown  # NO_COLOR


@pytest.mark.usefixtures("real")
def test_ctrl_c(store: DirectoryStore) -> None:
    put(store, make_job("a"))
    with on_terminal("wait", "a") as waiting:
        waiting.until("0 of 1 done")
        waiting.process.send_signal(signal.SIGINT)
        assert waiting.end(130).endswith("\x1b[?25h\r\x1b[1A\x1b[2K")  # as it was


@pytest.mark.usefixtures("real")
def test_a_terminal_that_cannot_go_back_is_shown_nothing(
    store: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    put(store, make_job("a"))
    with on_terminal("wait", "a", "--timeout", "0.3") as waiting:
        told = "note: timed out; not finished: a\n"
        assert waiting.end(124) == f"{NO_DAEMON}a  pending\n{told}".replace("\n", "\r\n")


def test_a_pipe_is_shown_nothing(cli: Cli, store: DirectoryStore) -> None:
    put(store, make_job("a"))
    assert cli("wait", "a", "--timeout", "0.1") == (
        124,
        "a  pending\n",
        f"{NO_DAEMON}note: timed out; not finished: a\n",
    )


def test_what_has_ended_needs_no_daemon(cli: Cli, store: DirectoryStore) -> None:
    put(store, make_job("a", status=Status.COMPLETED, attempts=1, finished_at=NOON))
    assert cli("wait", "a") == (0, "a  completed\n", "")


def test_where_a_daemon_runs_nothing_is_said_of_it(cli: Cli, store: DirectoryStore) -> None:
    put(store, make_job("a"))
    with store.seat():
        said = cli("wait", "a", "--timeout", "0.1").err
    assert said == "note: timed out; not finished: a\n"
