"""stats --watch: the view at two widths, the line of a pipe, the object of JSON; Ctrl-C."""

from __future__ import annotations

import json
import signal

import msgspec
import pytest

from jobctl.cli import overview
from jobctl.core.job import JobError, Options, Outcome
from jobctl.core.store import Pulse
from jobctl.services.overview import Overview, Rates
from jobctl.services.pausing import Pause
from jobctl.services.queue import QueueService
from jobctl.services.telling import State
from jobctl.stores.directory.store import DirectoryStore
from tests.cli import snapshot
from tests.cli.conftest import Cli
from tests.cli.terminal import on_terminal
from tests.helpers import NOON, FakeClock, after, claim, end, make_job, put

NASTY = "[/] [red]\x1b[2J\x9b1m\u202e\u2028\r\nend"


@pytest.fixture
def busy(store: DirectoryStore, clock: FakeClock) -> Overview:
    """A store where something of everything is going on."""
    put(store, make_job("f" * 16, name="send-email"))
    error = JobError("SMTPError", NASTY)
    dead = Options(max_retries=0)
    end(store, claim(store)[0], Outcome.ERROR, at=after(1), options=dead, error=error)
    names = ["report", "日本" * 10, "x" * 100]
    put(store, *(make_job(f"{n}" * 16, name=name) for n, name in enumerate(names)))
    claim(store, 3, after(2))
    put(store, make_job("waits"))
    clock.advance(3600)
    found = QueueService(store, clock).overview().look()
    said = {"done": 3, "total": 10, "note": NASTY}
    running = [msgspec.structs.replace(found.running[0], progress=said), *found.running[1:]]
    return msgspec.structs.replace(
        found,
        running=running,
        last=Rates(2.0, 40, 39, 0),
        since=Rates(190.0, 4000, 3, 1),
        workers={"0" * 16: 4711},
        paused=[Pause(None, NOON), Pause("report", NOON)],
        daemon=Pulse(4700, moving=True),
        state=State.READY,
    )


def test_the_view(busy: Overview) -> None:
    for width in (80, 200):
        shown = "".join(f"{line}\n" for line in overview.view(busy, width, 24))
        snapshot.check(f"stats-watch/terminal-{width}", shown)


def test_a_low_terminal_shows_fewer_of_those_that_run(busy: Overview) -> None:
    lines = overview.view(busy, 80, 19)
    assert len(lines) < 19
    assert lines[13].startswith("0" * 16)
    assert lines[14] == "and 2 more"
    assert lines[-1].startswith("f" * 16)


def test_a_store_where_nothing_goes_on(store: DirectoryStore, clock: FakeClock) -> None:
    found = QueueService(store, clock).overview().look()
    assert overview.view(found, 80, 24) == [
        "at       2026-11-24 13:00:00+01:00",
        "daemon   none runs: start `jobctl run`",
        "",
        "pending  running  completed  failed  cancelled  total",
        "      0        0          0       0          0      0",
        "",
        "per minute  added  completed  failed",
        "      last      -          -       -",
        "     since      -          -       -",
    ]


@pytest.mark.parametrize(
    ("pulse", "state", "said"),
    [
        (Pulse(1, moving=True), State.STARTING, "process 1, starting"),
        (Pulse(1, moving=False), State.READY, "process 1, which does not answer"),
        (Pulse(0, moving=True), None, "a process that cannot be named"),
    ],
)
def test_the_daemon(busy: Overview, pulse: Pulse, state: State, said: str) -> None:
    found = msgspec.structs.replace(busy, daemon=pulse, state=state)
    assert overview.view(found, 80, 24)[1] == f"daemon   {said}"


def test_the_line_of_a_pipe(busy: Overview) -> None:
    assert overview.line(busy) == (
        "2026-11-24T14:00:00+01:00  pending 1  running 3  completed 0  failed 1  cancelled 0  "
        "total 5  added/min 1,200  completed/min 1,170  failed/min 0  daemon 4700"
    )


@pytest.mark.parametrize(("pid", "said"), [(None, "none"), (0, "0")])
def test_the_daemon_at_the_end_of_a_line(busy: Overview, pid: int | None, said: str) -> None:
    found = msgspec.structs.replace(busy, daemon=Pulse(pid, moving=True))
    assert overview.line(found).endswith(f"  daemon {said}")


def test_the_object(busy: Overview) -> None:
    found = overview.record(busy)
    assert list(found)[:7] == [
        "at", "pending", "running", "completed", "failed", "cancelled", "total",
    ]  # fmt: skip
    assert found["last"]["per_minute"] == {"added": 1200, "completed": 1170, "failed": 0}
    assert [one["id"][0] for one in found["jobs"]] == ["0", "1", "2"]
    assert found["jobs"][0]["worker"] == 4711
    assert found["last_failed"][0]["error"] == {"type": "SMTPError", "message": NASTY}
    assert found["oldest_due"]["id"] == "waits"
    assert found["daemon"] == {"pid": 4700, "moving": True, "state": "ready"}


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--interval", "1s"], "--interval goes with --watch"),
        (["--jsonl"], "--jsonl goes with --watch"),
        (["--watch", "--interval", "x"], "--interval: 'x' is not a duration"),
        (["--watch", "--interval", "10ms"], "--interval: '10ms' is too short"),
    ],
)
def test_refused(cli: Cli, arguments: list[str], why: str) -> None:
    result = cli("stats", *arguments)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"jobctl: {why}")


@pytest.mark.usefixtures("real")
def test_a_terminal(store: DirectoryStore) -> None:
    put(store, make_job("a"))
    with on_terminal("stats", "--watch", "--interval", "100ms", columns=60) as watching:
        watching.until("work a is due for ")
        put(store, make_job("b"))
        watching.until("     2        0          0       0          0      2")
        watching.process.send_signal(signal.SIGINT)
        shown = watching.end(0)
    assert shown.endswith("\x1b[?25h")  # the cursor is back, and the last view stays
    assert "\x1b[31m" not in shown  # NO_COLOR
    assert all(len(line) < 60 for line in shown.split("\x1b[2K")[-1].splitlines())


@pytest.mark.usefixtures("real")
def test_the_cursor_comes_back_when_it_is_killed() -> None:
    with on_terminal("stats", "--watch") as watching:
        watching.until("daemon   none runs")
        watching.process.terminate()
        assert watching.end(143).endswith("\x1b[?25h")


@pytest.mark.usefixtures("real")
@pytest.mark.parametrize("options", [[], ["--json"], ["--jsonl"]])
def test_a_pipe_has_a_line_for_each_look(options: list[str]) -> None:
    arguments = ("stats", "--watch", "--interval", "100ms", *options)
    with on_terminal(*arguments, piped=True) as watching:
        assert watching.process.stdout is not None
        lines = [watching.process.stdout.readline().decode() for _ in range(3)]
        watching.process.send_signal(signal.SIGINT)
        assert watching.end(0) == ""
    if options:
        assert [json.loads(line)["total"] for line in lines] == [0, 0, 0]
    else:
        assert all("  total 0  added/min " in line for line in lines)


@pytest.mark.usefixtures("real")
def test_a_terminal_that_cannot_go_back_has_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    with on_terminal("stats", "--watch", "--interval", "100ms") as watching:
        watching.until("added/min 0")
        watching.process.send_signal(signal.SIGINT)
        assert "\x1b" not in watching.end(0)


@pytest.mark.usefixtures("real")
def test_several_interrupts_are_one() -> None:
    with on_terminal("stats", "--watch", "--json", piped=True) as watching:
        assert watching.process.stdout is not None
        watching.process.stdout.readline()
        while watching.process.poll() is None:
            watching.process.send_signal(signal.SIGINT)
        assert watching.end(0) == ""
