"""The chores of a daemon: the dead-man alarm, alerts, retention; on a fake clock."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import msgspec
import pytest

from jobctl.core.job import JobError, Options, Outcome, Status
from jobctl.core.note import SCHEDULE, TICK, Note
from jobctl.core.schedule import Schedule, declare
from jobctl.core.standing import standing_of
from jobctl.core.store import Verdict
from jobctl.runtime.alerts import TAG
from jobctl.runtime.clockwork import Clockwork
from jobctl.runtime.log import Log
from jobctl.runtime.retention import EVERY, FIRST
from jobctl.runtime.settings import Action, Alerting, Chores
from jobctl.services.cleaning import Keep
from jobctl.services.health import examine
from jobctl.services.queue import QueueService
from jobctl.stores.memory import MemoryStore
from tests.helpers import FakeClock, after, claim, end, eventually, make_job, put

HOUR = 3600
DEAD = Options(max_retries=0)


def nightly(**fields: Any) -> Schedule:
    return declare(
        "nightly",
        {"cron": "0 13 * * *", "job": "j", "expect_within": 26 * HOUR, **fields},
        timezone="UTC",
    )


class Works:
    """A clockwork, and what it says and does."""

    def __init__(self, clock: FakeClock, folder: Path) -> None:
        self.clock, self.folder = clock, folder
        self.store = MemoryStore()
        self.said = io.StringIO()
        self.chores = Chores()
        self.restart()

    def restart(self) -> None:
        self.work = Clockwork(self.clock, Log(self.clock, self.said), self.folder)
        self.use()

    def use(self, *schedules: Schedule, **chores: Any) -> None:
        changes = {
            **chores,
            **({"schedules": {s.name: s for s in schedules}} if schedules else {}),
        }
        self.chores = msgspec.structs.replace(self.chores, **changes)
        self.work.use(self.chores, {})
        self.run()

    def run(self) -> None:
        self.work.tick(self.clock.monotonic())
        while (errand := self.work.errand(self.clock.monotonic())) is not None:
            self.work.back(self.clock.monotonic(), errand(self.store))

    def pass_time(self, seconds: float) -> None:
        left = seconds
        self.run()
        while (wait := self.work.wait(self.clock.monotonic())) is not None and wait <= left:
            self.clock.advance(wait)
            left -= wait
            self.run()
        self.clock.advance(left)
        self.run()

    def succeed(self) -> None:
        for job in claim(self.store, 10, self.clock.now()):
            done = end(self.store, job, at=self.clock.now())
            self.work.ended(done)
        self.run()

    def die(self, job_id: str, **fields: Any) -> None:
        put(self.store, make_job(job_id, created_at=self.clock.now(), **fields))
        name = fields.get("name", "work")

        def gate(other: str, key: str | None, shell: bool) -> Verdict:
            return Verdict.TAKE if other == name else Verdict.NAME_CLOSED

        (job,) = claim(self.store, 1, self.clock.now(), gate)
        error = JobError("ValueError", "no")
        self.work.ended(
            end(self.store, job, Outcome.ERROR, self.clock.now(), DEAD, error=error)
        )
        self.run()

    def alerts(self) -> list[dict[str, Any]]:
        return [job.data for job in reversed(self.store.list(name="notify"))]


@pytest.fixture
def works(clock: FakeClock, tmp_path: Path) -> Iterator[Works]:
    works = Works(clock, tmp_path)
    yield works
    works.work.close()
    works.store.close()


def alerting(*kinds: str, every: float = 600.0, **fields: Any) -> Alerting:
    return Alerting({kind: Action(job="notify") for kind in kinds}, every=every, **fields)


# --- the dead-man alarm ------------------------------------------------------------------


def test_overdue_is_said_once_and_so_is_recovery(works: Works) -> None:
    works.use(nightly(overlap="allow"), alerting=alerting("overdue"))
    works.pass_time(26 * HOUR)
    assert works.said.getvalue().count("is overdue") == 1
    works.pass_time(48 * HOUR)
    assert works.said.getvalue().count("is overdue") == 1
    (alert,) = works.alerts()
    assert (alert["alert"], alert["count"]) == ("overdue", 1)
    assert alert["items"][0]["schedule"] == "nightly"
    assert works.store.list(name="notify")[0].tags == (TAG,)
    works.succeed()
    assert works.said.getvalue().count("has recovered") == 1
    assert works.alerts()[-1]["recovered"][0]["schedule"] == "nightly"
    works.pass_time(25 * HOUR)
    assert works.said.getvalue().count("is overdue") == 1
    works.pass_time(2 * HOUR)
    assert works.said.getvalue().count("is overdue") == 2


def test_a_success_puts_the_alarm_off(works: Works) -> None:
    works.use(nightly())
    for _ in range(5):
        works.pass_time(24 * HOUR)
        works.succeed()
    assert "overdue" not in works.said.getvalue()


def test_a_failure_is_no_success(works: Works) -> None:
    works.use(nightly())
    works.pass_time(HOUR)
    (job,) = claim(works.store, 1, works.clock.now())
    works.work.ended(end(works.store, job, Outcome.ERROR, works.clock.now(), DEAD))
    works.pass_time(26 * HOUR)
    assert "is overdue" in works.said.getvalue()


def test_the_alarm_outlives_the_daemon(works: Works) -> None:
    works.use(nightly())
    works.pass_time(27 * HOUR)
    works.restart()
    works.pass_time(HOUR)
    assert works.said.getvalue().count("is overdue") == 1


def test_a_success_that_a_dead_daemon_did_not_write_down_counts(works: Works) -> None:
    works.use(nightly())
    works.pass_time(HOUR)
    for job in claim(works.store, 1, works.clock.now()):
        end(works.store, job, at=works.clock.now())
    works.restart()
    works.pass_time(25.5 * HOUR)
    assert "overdue" not in works.said.getvalue()
    works.pass_time(HOUR)
    assert "overdue" in works.said.getvalue()


def test_nothing_is_expected_of_one_that_is_off_or_gone(works: Works) -> None:
    works.use(nightly(enabled=False))
    works.pass_time(48 * HOUR)
    works.use(nightly())
    works.pass_time(20 * HOUR)
    works.use(declare("other", {"every": 86400, "job": "j"}, timezone="UTC"))
    works.pass_time(48 * HOUR)
    assert "overdue" not in works.said.getvalue()


def test_health_names_what_is_overdue(works: Works) -> None:
    works.use(nightly())

    def check() -> Any:
        found = examine(works.store, works.clock.now(), patience=0, schedules=[nightly()])
        return next(one for one in found.checks if one.name == "schedules")

    assert check().ok
    works.pass_time(27 * HOUR)
    assert (check().ok, check().message) == (False, "nightly is overdue for 1h")
    works.succeed()
    assert check().ok


# --- alerts ------------------------------------------------------------------------------


def test_dead_jobs_are_grouped(works: Works) -> None:
    works.use(alerting=alerting("dead"))
    works.die("a")
    for n in range(30):
        works.die(f"b{n}")
    assert [alert["count"] for alert in works.alerts()] == [1]
    works.pass_time(599)
    assert len(works.alerts()) == 1
    works.pass_time(1)
    first, second = works.alerts()
    assert first["items"] == [
        {"id": "a", "name": "work", "schedule": None, "attempts": 1, "error": "ValueError: no"}
    ]
    assert (second["count"], len(second["items"])) == (30, 20)
    assert second["message"] == "30 jobs are dead: work b0, work b1, work b2, ..."


def test_kinds_wait_for_themselves_alone(works: Works) -> None:
    works.use(nightly(), alerting=alerting("dead", "overdue"))
    works.pass_time(26 * HOUR - 60)
    works.die("a")
    works.die("b")
    works.pass_time(60)
    assert [alert["alert"] for alert in works.alerts()] == ["dead", "overdue"]
    works.pass_time(540)
    assert [alert["alert"] for alert in works.alerts()] == ["dead", "overdue", "dead"]


def test_what_was_not_told_yet_outlives_the_daemon(works: Works) -> None:
    works.use(alerting=alerting("dead"))
    works.die("a")
    works.die("b")
    works.work.close()
    works.restart()
    works.pass_time(599)
    assert len(works.alerts()) == 1
    works.pass_time(1)
    assert works.alerts()[1]["items"][0]["id"] == "b"


def test_an_alert_that_is_dead_makes_no_alert(works: Works) -> None:
    works.use(alerting=alerting("dead", every=0))
    works.die("a", name="notify", tags=(TAG,))
    assert works.alerts() == [{}]


def test_nobody_asked(works: Works) -> None:
    works.die("a")
    works.pass_time(9999)
    assert works.store.stats().total == 1


def test_an_old_due_job_is_told_and_its_recovery(works: Works) -> None:
    works.use(alerting=alerting("waiting", max_wait=HOUR))
    put(works.store, make_job("old"))
    works.pass_time(HOUR)
    assert works.alerts() == []
    works.pass_time(60)
    (alert,) = works.alerts()
    assert (alert["alert"], alert["items"][0]["id"]) == ("waiting", "old")
    for job in claim(works.store, 2, works.clock.now()):
        end(works.store, job, at=works.clock.now())
    works.pass_time(600)
    assert works.alerts()[-1]["recovered"] == [{"id": "old", "name": "work"}]


def test_a_command_gets_the_alert(works: Works, tmp_path: Path) -> None:
    code = (
        "import os, sys; "
        "open(sys.argv[1], 'w').write(os.environ['JOBCTL_ALERT'] + sys.stdin.read())"
    )
    out = tmp_path / "out"
    command = (sys.executable, "-c", code, str(out))
    works.use(alerting=Alerting({"dead": Action(command=command)}))
    works.die("a")
    works.work.close()
    text = out.read_text()
    assert text.startswith("dead{")
    assert json.loads(text[4:])["items"][0]["id"] == "a"


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (Action(command=("/nowhere/x",)), "its command failed: [Errno 2]"),
        (Action(command=("sh", "-c", "echo bad >&2; exit 3")), "sh ended with 3: bad"),
        (Action(webhook="http://127.0.0.1:1/x"), "its webhook failed"),
    ],
)
def test_an_alert_that_fails_is_said(works: Works, action: Action, message: str) -> None:
    works.use(alerting=Alerting({"dead": action}))
    works.die("a")
    eventually(lambda: message in works.said.getvalue())
    works.die("b")


def test_a_webhook_is_called(works: Works) -> None:
    got: list[Any] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Hook)
    thread = Thread(target=server.handle_request)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/hook"
    works.use(alerting=Alerting({"dead": Action(webhook=url)}))
    works.die("a")
    thread.join(10)
    server.server_close()
    assert got[0]["message"] == "1 job is dead: work a"


# --- retention ---------------------------------------------------------------------------


def keep(works: Works, **terms: Any) -> Callable[[int], int]:
    service = QueueService(works.store, works.clock, keep=Keep(**terms))
    return service.retain


def many(works: Works, name: str, count: int) -> None:
    put(works.store, *(make_job(f"{name}{n}", name=name) for n in range(count)))
    for job in claim(works.store, count, works.clock.now()):
        end(works.store, job, at=works.clock.now())


def test_old_jobs_go_in_small_steps(works: Works) -> None:
    many(works, "a", 450)
    steps = []

    def cleaner(limit: int) -> int:
        steps.append(keep(works, ages={Status.COMPLETED: HOUR})(limit))
        return steps[-1]

    works.use(cleaner=cleaner)
    works.pass_time(HOUR)
    many(works, "b", 5)
    works.pass_time(EVERY)
    assert [step for step in steps if step] == [200, 200, 50]
    assert works.store.stats().total == 5
    assert "cleaned up: 450" in works.said.getvalue()


def test_the_newest_of_a_name_stay(works: Works) -> None:
    many(works, "a", 7)
    many(works, "b", 2)
    terms = {"newest": {Status.COMPLETED: 3}, "names": lambda: ("a", "b")}
    works.use(cleaner=keep(works, **terms))
    works.pass_time(FIRST)
    assert sorted(job.id for job in works.store.list()) == ["a4", "a5", "a6", "b0", "b1"]


def test_records_of_ticks_go_and_the_last_is_known(works: Works) -> None:
    hourly = declare("h", {"cron": "0 * * * *", "job": "j", "overlap": "allow"}, timezone="UTC")
    works.use(hourly, cleaner=keep(works, ticks=3 * HOUR, ages={Status.PENDING: 0}))
    works.pass_time(10 * HOUR + EVERY)
    assert 3 <= len(works.store.notes(TICK)) <= 4
    works.use(hourly, cleaner=keep(works, ticks=0.0))
    works.clock.advance(1800)
    works.pass_time(EVERY)
    assert works.store.notes(TICK) == []
    (note,) = works.store.notes(SCHEDULE)
    last = standing_of(note).last_tick
    assert last is not None
    assert last.at == after(10 * HOUR)


def test_nothing_goes_while_the_clock_is_not_trusted(works: Works) -> None:
    many(works, "a", 3)
    works.use(cleaner=keep(works, ages={Status.COMPLETED: HOUR}))
    works.clock.time += timedelta(days=300)
    works.pass_time(12 * HOUR)
    assert works.store.stats().total == 3
    works.pass_time(13 * HOUR)
    assert works.store.stats().total == 0


def test_a_clock_that_jumps_days_ahead_makes_no_burst(works: Works) -> None:
    hourly = declare("h", {"cron": "0 * * * *", "job": "j", "catch_up": "all"}, timezone="UTC")
    works.use(hourly)
    works.clock.time += timedelta(days=3, minutes=1)
    works.run()
    assert works.store.stats().total == 1  # the tick of now
    notes = [note for note in works.store.notes(TICK) if note.value["outcome"] == "missed"]
    assert [note.value["count"] for note in notes] == [71]
    assert isinstance(notes[0], Note)


def test_what_the_jump_left_out_is_made_up_for_when_the_clock_is_believed(works: Works) -> None:
    daily = declare(
        "d",
        {
            "cron": "0 0 * * *",
            "job": "j",
            "overlap": "allow",
            "catch_up": "all",
            "catch_up_window": 9 * 24 * HOUR,
        },
        timezone="UTC",
    )
    works.use(daily)
    works.clock.time += timedelta(days=3)
    works.run()
    works.pass_time(20 * HOUR)
    assert [job.id for job in works.store.list()] == ["d@2026-11-28T00:00:00Z"]
    works.clock.advance(5 * HOUR)
    works.run()
    days = [f"d@2026-11-{day}T00:00:00Z" for day in (25, 26, 27, 28)]
    assert sorted(job.id for job in works.store.list()) == days
    assert "agreed with itself for a day" in works.said.getvalue()
