"""What a running job is at, and how a finished one ended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from jobctl.core.job import Ending, Exit, Job, JobError, Options, Outcome, Status, finish
from jobctl.core.job import cancel as cancelled
from jobctl.core.note import Note
from jobctl.core.schedule import Schedule
from jobctl.core.standing import Standing, Tick, TickOutcome, note_of, tick_note
from jobctl.core.store import Pulse
from jobctl.errors import NotFound
from jobctl.services import logfile, spool
from jobctl.services.cleaning import Keep
from jobctl.services.queue import QueueService
from jobctl.services.spool import Begun
from jobctl.services.telling import Rules, State
from tests.helpers import NOON, FakeClock, after, claim, make_job, put, there
from tests.services.explaining import ONCE, Watched, codes, commands, run_once, said, why


def runs(store: Watched, **fields: Any) -> Job[Any]:
    put(store, make_job("it", **fields))
    [job] = claim(store)
    return job


# -- running ---------------------------------------------------------------------------


def test_running(store: Watched) -> None:
    runs(store)
    found = why(store, seconds=60)
    assert codes(found) == ["running", "timeout"]
    assert said(found, "running") == (
        "It runs since 2026-11-24T12:00:00Z (1m ago), attempt 1 of 4."
    )
    assert said(found, "timeout") == (
        "Its timeout, 5m, ends it at 2026-11-24T12:05:00Z (in 4m)."
    )
    assert commands(found) == ["jobctl logs it", "jobctl cancel it"]
    assert "was over at" in said(why(store, seconds=301), "timeout")


def test_running_in_a_worker(store: Watched) -> None:
    runs(store)
    folder = Path(logfile.folder_in(store.files))
    Path(spool.path_of(str(folder), 11)).parent.mkdir(parents=True)
    for pid, job_id in ((11, "other"), (12, "it")):
        head = bytearray(spool.START)
        spool.say(head, Begun(job_id, 1, NOON, 0.0, 0))  # type: ignore[arg-type]  # a mapping
        Path(spool.path_of(str(folder), pid)).write_bytes(head)
    assert said(why(store), "running").endswith("attempt 1 of 4, in worker process 12.")


def test_progress(store: Watched) -> None:
    job = runs(store)
    case_of = {"done": 3, "total": 10, "note": "half\nof it"}
    with store.transaction() as tx:
        tx.save(msgspec.structs.replace(job, rev=job.rev + 1, progress=case_of))
    assert said(why(store), "progress") == "It has come to 3 of 10, half."


def test_its_timeout_is_its_own_or_its_names(store: Watched) -> None:
    runs(store, timeout=7.0)
    store.tell(rules=Rules(options=Options(timeout=None)))
    assert "Its timeout, 7s," in said(why(store), "timeout")


def test_no_timeout(store: Watched) -> None:
    runs(store)
    store.tell(rules=Rules(options=Options(timeout=None)))
    assert said(why(store), "no-timeout") == "It has no timeout."
    store.tell(rules=Rules(options=Options(timeout=None), limits={"work": {"timeout": 3.0}}))
    assert "Its timeout, 3s," in said(why(store), "timeout")


def test_a_cancel_was_asked(store: Watched) -> None:
    job = runs(store)
    with store.transaction() as tx:
        tx.save(cancelled(job, NOON))
    found = why(store)
    assert codes(found)[0] == "cancelling"
    assert "over 5s" in said(found, "cancelling")
    assert "jobctl cancel it" not in commands(found)


def test_running_while_its_daemon_stops(store: Watched) -> None:
    runs(store)
    store.tell(state=State.STOPPING, since=after(10))
    found = why(store, seconds=20)
    assert codes(found) == ["running", "timeout", "daemon-stopping"]
    assert "if it runs at 2026-11-24T12:00:40Z (in 20s)" in said(found, "daemon-stopping")


def test_running_under_a_daemon_that_hangs(store: Watched) -> None:
    runs(store)
    store.answer = Pulse(7)
    assert codes(why(store)) == ["running", "timeout", "daemon-hangs"]


def test_running_without_a_daemon(store: Watched) -> None:
    runs(store)
    store.answer = Pulse()
    found = why(store)
    assert codes(found) == ["orphaned", "no-daemon"]
    assert commands(found)[0] == "jobctl run"


# -- finished --------------------------------------------------------------------------


def test_completed(store: Watched) -> None:
    run_once(store, make_job("it"), Outcome.COMPLETED, after(2.5))
    found = why(store, seconds=60)
    assert codes(found) == ["completed"]
    assert said(found, "completed") == (
        "It completed at 2026-11-24T12:00:02Z (58s ago), after 2.5s, in attempt 1."
    )
    assert (found.about, found.next) == ((), ())
    store.answer = Pulse()  # it needs none
    assert why(store).next == ()


def test_completed_without_its_result(store: Watched) -> None:
    error = JobError("ResultNotKept", "the job completed, but its result was not kept: large")
    run_once(store, make_job("it"), Outcome.COMPLETED, error=error)
    assert codes(why(store)) == ["completed", "result-not-kept"]


def test_a_long_message_is_said_to_its_end(store: Watched) -> None:
    text = "the job completed, but its result was not kept: " + "x" * 90 + ": pass plain values"
    error = JobError("ResultNotKept", text)
    run_once(store, make_job("it"), Outcome.COMPLETED, error=error)
    assert said(why(store), "result-not-kept") == f"ResultNotKept: {text}."


def test_retries_used_up(store: Watched) -> None:
    error = JobError("ValueError", "no", "Traceback")
    run_once(
        store, make_job("it", max_retries=0), Outcome.ERROR, after(1), options=ONCE, error=error
    )
    found = why(store, seconds=61)
    assert codes(found) == ["error", "retries-used-up"]
    assert said(found, "error") == (
        "Its last attempt failed at 2026-11-24T12:00:01Z (1m ago), after 1s: ValueError: no."
    )
    assert said(found, "retries-used-up") == "It had one attempt, no retry."
    assert commands(found) == ["jobctl show it", "jobctl retry it"]


def test_several_retries_used_up(store: Watched) -> None:
    run_once(store, make_job("it", attempts=2), Outcome.TIMEOUT, options=Options(max_retries=2))
    found = why(store, rules=Rules(options=Options(max_retries=2)))
    assert codes(found) == ["timeout", "retries-used-up"]
    assert "ran out of time" in said(found, "timeout")
    assert said(found, "retries-used-up") == "Its 3 attempts are used up."


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("Fail", "Its handler said (Fail) that it must not be tried again, after 1 of 4"),
        ("mine.Never", "Its handler said (Fail)"),
        ("InvalidData", "Data that does not fit"),
        ("UnknownHandler", "Without a handler of its name"),
    ],
)
def test_never_to_be_retried(store: Watched, kind: str, says: str) -> None:
    run_once(store, make_job("it"), Outcome.ERROR, error=JobError(kind, "so"), final=True)
    found = why(store)
    assert codes(found) == ["error", "no-retry"]
    assert said(found, "no-retry").startswith(says)
    [step] = [one for one in found.next if one.command == "jobctl retry it"]
    assert ("when there is a handler" in step.why) == (kind == "UnknownHandler")


def test_it_has_ended_its_worker_too_often(store: Watched) -> None:
    error = JobError(
        "WorkerCrashed", "the worker process ended by SIGKILL: memory ran out (OOM)"
    )
    run_once(
        store,
        make_job("it", crashes=2),
        Outcome.CRASHED,
        after(1),
        error=error,
        exit=Exit(signal="SIGKILL"),
        max_rss=3 << 30,
    )
    found = why(store, seconds=1)
    assert codes(found) == ["crashed", "max-crashes"]
    assert said(found, "crashed") == (
        "Its last attempt ended with the death of its worker process at 2026-11-24T12:00:01Z "
        "(just now), after 1s, with a peak of 3 GiB: WorkerCrashed: the worker process ended "
        "by SIGKILL: memory ran out (OOM)."
    )
    assert said(found, "max-crashes").startswith(
        "It has ended its worker 3 times, and max_crashes is 3:"
    )


def test_lost_too_often(store: Watched) -> None:
    run_once(store, make_job("it", crashes=2), Outcome.LOST)
    found = why(store)
    assert codes(found) == ["lost", "max-crashes"]
    assert "was lost with its daemon" in said(found, "lost")


def test_cancelled_before_it_ran_and_while_it_did(store: Watched) -> None:
    put(store, make_job("it"))
    with store.transaction() as tx:
        tx.save(cancelled(there(tx, "it"), NOON))
    found = why(store)
    assert codes(found) == ["cancelled"]
    assert said(found, "cancelled") == "It was cancelled, at 2026-11-24T12:00:00Z (just now)."
    assert commands(found) == ["jobctl retry it"]
    run_once(store, make_job("that"), Outcome.CANCELLED)
    assert said(why(store, "that"), "cancelled").startswith("It was cancelled while it ran, at")


def test_cancelled_for_one_that_it_came_after(store: Watched) -> None:
    from jobctl.core import dependencies

    put(store, make_job("first"))
    [first] = claim(store)
    put(store, make_job("it", after=("first", "gone")))
    done = finish(first, Ending(Outcome.ERROR, NOON, final=True), Options())
    with store.transaction() as tx:
        tx.settle([done])
        dependencies.follow(tx, [done], NOON)
    found = why(store)
    assert codes(found) == ["dependency-failed"]
    assert said(found, "dependency-failed").endswith(
        "it waited for job first (work), which failed."
    )
    assert found.reasons[0].jobs == ("first",)
    assert commands(found) == ["jobctl explain first", "jobctl retry it"]


def test_its_log_is_offered_if_it_has_one(store: Watched) -> None:
    run_once(store, make_job("it"), Outcome.COMPLETED)
    path = logfile.path_of(store.files, "it")
    path.parent.mkdir()
    path.touch()
    assert commands(why(store)) == ["jobctl logs it"]


def test_retention(store: Watched) -> None:
    run_once(store, make_job("it"), Outcome.COMPLETED)
    keep = Keep(ages={Status.COMPLETED: 3600.0, Status.FAILED: 1.0})
    assert said(why(store, keep=keep), "retention") == (
        "[retention] lets it be deleted at 2026-11-24T13:00:00Z (in 1h)."
    )
    keep = Keep(ages=keep.ages, newest={Status.COMPLETED: 1000})
    assert said(why(store, keep=keep), "retention").endswith(
        "(in 1h), or sooner when 1,000 newer ones of its name are there."
    )
    keep = Keep(newest={Status.COMPLETED: 1000})
    assert said(why(store, keep=keep), "retention").startswith(
        "[retention] lets it be deleted when 1,000 newer"
    )
    assert why(store, keep=Keep(ages={Status.FAILED: 1.0})).about == ()


# -- where it comes from ---------------------------------------------------------------


def test_its_schedule(store: Watched) -> None:
    nightly = Schedule(name="night", cron="0 3 * * *", timezone="Europe/Berlin", job="work")
    tick = Tick(schedule="night", at=NOON, outcome=TickOutcome.LATE, reason="no daemon ran")
    notes: list[Note] = [
        note_of("night", Standing(timing=nightly.timing), NOON),
        note_of("nightly", Standing(timing="every 5 | UTC | None | None"), NOON),
        note_of("xy", Standing(timing="every 5 | UTC | None | None"), NOON),
        tick_note(tick),
    ]
    with store.transaction() as tx:
        for note in notes:
            tx.put(note)
    put(store, make_job("night@2026-11-24T12:00:00Z", schedule="night"))
    put(store, make_job("byhand", schedule="night"), make_job("plain"))
    put(store, make_job("x@2026-11-24T12:00:00Z", schedule="x"))
    put(store, make_job("often", schedule="xy"))
    assert said(why(store, "night@2026-11-24T12:00:00Z"), "schedule") == (
        "It is of schedule night (0 3 * * *, Europe/Berlin), for its tick at "
        "2026-11-24T12:00:00Z (just now) (late: no daemon ran)."
    )
    assert said(why(store, "byhand"), "schedule") == (
        "It is of schedule night (0 3 * * *, Europe/Berlin), triggered by hand."
    )
    assert said(why(store, "x@2026-11-24T12:00:00Z"), "schedule") == (
        "It is of schedule x, for its tick at 2026-11-24T12:00:00Z (just now)."
    )
    assert said(why(store, "often"), "schedule") == (
        "It is of schedule xy (every 5s, UTC), triggered by hand."
    )
    assert why(store, "plain").about == ()


# -- the service -----------------------------------------------------------------------


def test_the_service_explains_by_id(store: Watched, clock: FakeClock) -> None:
    queue = QueueService(store, clock, rules=lambda: Rules(concurrency=1))
    put(store, make_job("runs"))
    claim(store)
    put(store, make_job("it"))
    assert codes(queue.explain("it")) == ["full"]
    found = queue.explain("runs", lambda moment: "then")
    assert said(found, "running") == "It runs since then, attempt 1 of 4."
    with pytest.raises(NotFound):
        queue.explain("i")
