"""Why a pending job does not run: each reason, and several at once."""

from __future__ import annotations

from typing import Any

import pytest

from jobctl.core.job import JobError, Options, Outcome
from jobctl.core.job import cancel as cancelled
from jobctl.core.retry import RetryPolicy
from jobctl.core.store import Pulse
from jobctl.errors import StoreUnwritable
from jobctl.services import pausing
from jobctl.services.explaining import line
from jobctl.services.known import write_handlers
from jobctl.services.rates import write_rates
from jobctl.services.telling import Rules, State, Trouble
from tests.helpers import NOON, after, claim, end, make_job, put, there
from tests.services.explaining import Watched, codes, commands, run_once, said, why

STEADY = Options(max_retries=3, backoff=RetryPolicy(base=60.0, jitter=0.0))


def limits(**by_name: Any) -> Rules:
    return Rules(limits={name.replace("_", "-"): said for name, said in by_name.items()})


def test_nothing_holds_it_back(store: Watched) -> None:
    put(store, make_job("it"))
    found = why(store)
    assert codes(found) == ["due"]
    assert (found.id, found.name, found.status, found.about) == ("it", "work", "pending", ())
    assert commands(found) == []


# -- the job's own ---------------------------------------------------------------------


def test_delayed(store: Watched) -> None:
    put(store, make_job("it", run_at=after(300)))
    assert codes(why(store)) == ["delayed"]
    assert said(why(store), "delayed") == ("It is delayed until 2026-11-24T12:05:00Z (in 5m).")
    assert why(store).reasons[0].at == after(300)
    assert codes(why(store, seconds=300)) == ["due"]


def test_retrying(store: Watched) -> None:
    error = JobError("SMTPError", "no\nroute", "Traceback")
    run_once(store, make_job("it"), Outcome.ERROR, options=STEADY, error=error)
    found = why(store)
    assert codes(found) == ["retrying"]
    assert said(found, "retrying") == (
        "Attempt 1 of 4 ended with error (SMTPError: no): it is tried again at "
        "2026-11-24T12:01:00Z (in 1m)."
    )
    assert commands(found) == ["jobctl show it"]
    assert codes(why(store, seconds=60)) == ["due"]


def test_retrying_as_often_as_is_said_for_its_name(store: Watched) -> None:
    run_once(store, make_job("it"), Outcome.TIMEOUT, options=STEADY)
    assert "Attempt 1 of 4 ended with timeout:" in said(why(store), "retrying")
    write_handlers({"work": {"options": {"max_retries": 8, "backoff": {}}}}, store.files)
    assert "Attempt 1 of 9 " in said(why(store), "retrying")
    rules = limits(work={"max_retries": 5})
    assert "Attempt 1 of 6 " in said(why(store, rules=rules), "retrying")


def test_snoozed(store: Watched) -> None:
    run_once(store, make_job("it"), Outcome.SNOOZED, after=90.0)
    found = why(store)
    assert codes(found) == ["snoozed"]
    assert "until 2026-11-24T12:01:30Z (in 1m30s)" in said(found, "snoozed")


def test_paused_by_name_and_with_everything(store: Watched) -> None:
    put(store, make_job("it"))
    pausing.pause(store, "other", NOON)
    assert codes(why(store)) == ["due"]
    pausing.pause(store, "work", NOON)
    found = why(store, seconds=60)
    assert codes(found) == ["paused"]
    assert said(found, "paused") == (
        "Jobs of work are paused since 2026-11-24T12:00:00Z (1m ago), until "
        "`jobctl resume work`."
    )
    assert commands(found) == ["jobctl resume work"]
    pausing.pause(store, None, NOON)
    found = why(store)
    assert codes(found) == ["paused-all", "paused"]
    assert "All jobs are paused since 2026-11-24T12:00:00Z" in said(found, "paused-all")
    assert commands(found) == ["jobctl resume", "jobctl resume work"]


def test_after_others(store: Watched) -> None:
    put(store, make_job("runs", priority=9), make_job("done", priority=8))
    first, second = claim(store, 2)
    end(store, second)
    put(store, make_job("waits"), make_job("later", run_at=after(60)))
    put(store, make_job("it", after=("runs", "done", "waits", "later", "gone")))
    found = why(store, seconds=10)
    assert codes(found) == ["after"] * 3
    assert [reason.message for reason in found.reasons] == [
        "It comes after work runs, which has been running for 10s.",
        "It comes after work waits, which is pending.",
        "It comes after work later, which is pending until 2026-11-24T12:01:00Z (in 50s).",
    ]
    assert [reason.jobs for reason in found.reasons] == [("runs",), ("waits",), ("later",)]
    assert commands(found)[0] == "jobctl explain runs"
    end(store, first)
    assert codes(why(store)) == ["after"] * 2


def test_after_many_others(store: Watched) -> None:
    others = [f"o{n}" for n in range(8)]
    put(store, *(make_job(one) for one in others), make_job("it", after=tuple(others)))
    found = why(store)
    assert codes(found) == ["after"] * 6
    assert found.reasons[-1].message == "It comes after 3 more that have not completed."
    assert found.reasons[-1].jobs == ("o5", "o6", "o7")


# -- the daemon ------------------------------------------------------------------------


def test_no_daemon(store: Watched) -> None:
    store.answer = Pulse()
    put(store, make_job("it"))
    found = why(store)
    assert codes(found) == ["no-daemon"]
    assert said(found, "no-daemon") == "No daemon runs."
    assert commands(found) == ["jobctl run"]


def test_a_daemon_that_was_killed(store: Watched) -> None:
    store.answer = Pulse()
    store.tell()
    put(store, make_job("it"))
    assert said(why(store), "no-daemon") == (
        "No daemon runs: the last one, process 7, was killed or died."
    )


def test_a_daemon_whose_handlers_did_not_import(store: Watched) -> None:
    store.answer = Pulse()
    why_not = "the handlers do not import:\nTraceback\n  ...\nNameError: name 'x'\n"
    store.tell(state=State.BROKEN, troubles={Trouble.HANDLERS: why_not})
    put(store, make_job("it"))
    found = why(store, seconds=60)
    assert codes(found) == ["import-failed"]
    assert said(found, "import-failed") == (
        "No daemon runs: the last one found no usable handlers, 2026-11-24T12:00:00Z (1m ago): "
        "the handlers do not import: NameError: name 'x'."
    )
    assert commands(found) == ["jobctl config check", "jobctl run"]


def test_a_daemon_that_an_error_has_ended(store: Watched) -> None:
    store.answer = Pulse()
    store.tell(state=State.BROKEN, troubles={Trouble.ERROR: "no space left"})
    put(store, make_job("it"))
    assert "ended by an error, 2026-11-24T12:00:00Z (just now): no space left." in said(
        why(store), "no-daemon"
    )


def test_a_daemon_that_hangs(store: Watched) -> None:
    store.answer = Pulse(PID := 7)
    store.tell()
    put(store, make_job("it"))
    found = why(store)
    assert codes(found) == ["daemon-hangs"]
    assert said(found, "daemon-hangs").startswith(
        f"The daemon, process {PID}, did not answer within 5s:"
    )
    assert commands(found) == ["jobctl health"]


@pytest.mark.parametrize(
    ("state", "code"),
    [(State.STARTING, "daemon-starting"), (State.STOPPING, "daemon-stopping")],
)
def test_a_daemon_that_takes_no_jobs_now(store: Watched, state: State, code: str) -> None:
    store.answer = Pulse(7)  # one that starts does not answer
    store.tell(state=state)
    put(store, make_job("it"))
    found = why(store, seconds=5)
    assert codes(found) == [code]
    assert "since 2026-11-24T12:00:00Z (5s ago)" in said(found, code)


def test_a_daemon_that_nobody_may_ask_for(store: Watched) -> None:
    store.answer = StoreUnwritable("no permission")
    put(store, make_job("it"))
    assert said(why(store), "no-daemon") == (
        "Nobody can tell whether a daemon runs: no permission."
    )


def test_what_another_daemon_has_told_is_not_believed(store: Watched) -> None:
    put(store, make_job("it"))
    store.tell(state=State.STOPPING)
    assert codes(why(store)) == ["daemon-stopping"]
    store.answer = Pulse(8, moving=True)
    assert codes(why(store)) == ["due"]
    store.answer = Pulse(0, moving=True)  # it cannot be named
    assert codes(why(store)) == ["daemon-stopping"]


def test_no_worker_can_be_started(store: Watched) -> None:
    store.tell(troubles={Trouble.WORKERS: "fork: no memory"})
    put(store, make_job("it"))
    assert said(why(store), "no-worker").endswith("start a worker process: fork: no memory.")


def test_handlers_that_do_not_import_any_more(store: Watched) -> None:
    store.tell(troubles={Trouble.HANDLERS: "SyntaxError"})
    put(store, make_job("it"))
    assert (
        said(why(store), "import-failed") == "The handlers do not import any more: SyntaxError."
    )


def test_a_store_that_cannot_be_written(store: Watched) -> None:
    put(store, make_job("it", run_at=after(9)))
    store.full = True
    found = why(store)
    assert codes(found) == ["store", "delayed"]
    assert said(found, "store") == "The store cannot be written: no room."
    assert commands(found) == ["jobctl health"]
    store.full = False
    store.tell(troubles={Trouble.STORE: "I/O error"})
    assert said(why(store), "store") == "The daemon cannot write the store: I/O error."


# -- its handler -----------------------------------------------------------------------


def test_no_handler_of_its_name(store: Watched) -> None:
    put(store, make_job("it", run_at=after(9)))
    assert codes(why(store)) == ["delayed"]  # nobody knows
    write_handlers({"works": {}, "work": {}}, store.files)
    assert codes(why(store)) == ["delayed"]
    write_handlers({"works": {}, "else": {}}, store.files)
    found = why(store)
    assert codes(found) == ["delayed", "unknown-handler"]
    assert said(found, "unknown-handler") == (
        "The daemon has no handler called work (the nearest is works): without one the job "
        "fails at once."
    )
    assert commands(found) == ["kill -HUP 7"]
    store.answer = Pulse()
    assert "The last daemon had no handler" in said(why(store), "unknown-handler")
    assert commands(why(store)) == ["jobctl config check", "jobctl run"]


def test_no_handlers_at_all(store: Watched) -> None:
    put(store, make_job("it"))
    write_handlers({}, store.files)
    assert codes(why(store)) == ["no-handlers"]
    assert "set [run] handlers in jobs.toml" in said(why(store), "no-handlers")


def test_a_shell_job_needs_none(store: Watched) -> None:
    put(store, make_job("it", shell={"argv": ["true"]}))
    write_handlers({}, store.files)
    store.tell(troubles={Trouble.RELOAD: "NameError"})
    assert codes(why(store)) == ["due"]


def test_a_reload_that_was_refused(store: Watched) -> None:
    put(store, make_job("it"))
    store.tell(troubles={Trouble.RELOAD: "NameError"})
    write_handlers({"work": {}}, store.files)
    assert codes(why(store)) == ["due"]
    write_handlers({"other": {}}, store.files)
    found = why(store)
    assert codes(found) == ["import-failed", "unknown-handler"]
    assert said(found, "import-failed").startswith("The last reload was refused")


# -- limits and rates ------------------------------------------------------------------


def test_the_limit_of_its_name(store: Watched) -> None:
    put(store, *(make_job(f"r{n}") for n in range(2)), make_job("o", name="other"))
    claim(store, 3)
    put(store, make_job("it"))
    rules = limits(work={"concurrency": 2})
    found = why(store, rules=rules)
    assert codes(found) == ["name-limit"]
    assert said(found, "name-limit") == (
        "At most 2 jobs of its name run at once, and now work r1 and work r0."
    )
    assert found.reasons[0].jobs == ("r1", "r0")
    assert commands(found) == ["jobctl explain r1"]
    assert codes(why(store, rules=limits(work={"concurrency": 3}))) == ["due"]
    # What the daemon says beats the file.
    store.tell(rules=limits(work={"concurrency": 3}))
    assert codes(why(store, rules=rules)) == ["due"]


def test_its_concurrency_key(store: Watched) -> None:
    put(store, make_job("r", name="other", concurrency_key="k"), make_job("s", name="x"))
    claim(store, 2)
    put(store, make_job("it", concurrency_key="k"), make_job("free", concurrency_key="q"))
    put(store, make_job("plain"))
    found = why(store)
    assert codes(found) == ["key-limit"]
    assert "one runs at a time: other r." in said(found, "key-limit")
    assert "key-limit" not in codes(why(store, "free"))
    assert "key-limit" not in codes(why(store, "plain"))


def test_all_places_of_the_daemon(store: Watched) -> None:
    put(store, *(make_job(f"r{n}", name="n") for n in range(7)))
    claim(store, 7)
    put(store, make_job("it"))
    found = why(store, rules=Rules(concurrency=7))
    assert codes(found) == ["full"]
    assert said(found, "full") == (
        "All 7 places are taken, by n r6, n r5, n r4, n r3, n r2 and 2 more."
    )
    assert len(found.reasons[0].jobs) == 5
    assert commands(found) == ["jobctl list --status running"]
    assert codes(why(store, rules=Rules(concurrency=8))) == ["due"]
    store.tell(rules=Rules(concurrency=8))  # a flag of `run`
    assert codes(why(store, rules=Rules(concurrency=7))) == ["due"]


def test_the_rate_of_its_name(store: Watched) -> None:
    put(store, make_job("it"))
    rules = limits(work={"rate": (6, 60.0)}, other={"rate": (1, 5.0)})
    assert codes(why(store, rules=rules)) == ["due"]
    write_rates(store.files, {"work": after(8).timestamp(), "other": after(2).timestamp()})
    found = why(store, rules=rules)
    assert codes(found) == ["rate-limit"]
    assert said(found, "rate-limit") == (
        "The rate of its name, 6 in 1m, lets the next one begin at 2026-11-24T12:00:08Z "
        "(in 8s)."
    )
    assert found.reasons[0].at == after(8)
    assert codes(why(store, seconds=8, rules=rules)) == ["due"]
    # A clock that was set back holds nothing back.
    assert codes(why(store, seconds=-3600, rules=rules)) == ["due"]


def test_without_a_daemon_no_limit_is_reached(store: Watched) -> None:
    put(store, make_job("r"))
    claim(store)
    put(store, make_job("it"))
    store.answer = Pulse()
    rules = limits(work={"concurrency": 1})
    assert codes(why(store, rules=rules)) == ["no-daemon"]
    put(store, make_job("other", name="other"))
    assert codes(why(store, "other", rules=rules)) == ["no-daemon", "queue"]


# -- the line --------------------------------------------------------------------------


def test_those_before_it(store: Watched) -> None:
    put(store, make_job("a"), make_job("b", name="x"), make_job("it"), make_job("behind"))
    found = why(store)
    assert codes(found) == ["queue"]
    assert said(found, "queue") == (
        "2 jobs, 1 of its name, come before it, by priority and then in their order."
    )
    assert commands(found) == ["jobctl list --status pending"]
    assert said(why(store, "b"), "queue") == (
        "1 job comes before it, by priority and then in their order."
    )
    store.answer = Pulse()
    assert codes(why(store)) == ["no-daemon", "queue"]


def test_those_before_it_at_the_pace_so_far(store: Watched) -> None:
    put(store, *(make_job(f"j{n}") for n in range(30)), make_job("it", created_at=after(10)))
    for n, job in enumerate(claim(store, 20)):
        end(store, job, at=after(n + 1))  # one a second; ten of them since it is due
    assert "pace" not in said(why(store, seconds=10), "queue")
    assert "10 jobs of its name come before it" in said(why(store, seconds=20), "queue")
    assert said(why(store, seconds=20), "queue").endswith("that takes about 9s.")
    store.tell(since=after(16))  # it was not there before; five since
    assert said(why(store, seconds=26), "queue").endswith("that takes about 20s.")
    store.answer = Pulse()
    assert "pace" not in said(why(store, seconds=20), "queue")


def test_those_before_it_at_the_rate_of_its_name(store: Watched) -> None:
    put(store, *(make_job(f"j{n}") for n in range(12)), make_job("o", name="other"))
    put(store, make_job("it"))
    rules = limits(work={"rate": (6, 60.0)})
    assert said(why(store, rules=rules), "queue").endswith("about 2m.")
    put(store, *(make_job(f"quick{n}", priority=1) for n in range(5)))
    for job in claim(store, 5):
        end(store, job, at=after(1))
    assert said(why(store, seconds=2, rules=rules), "queue").endswith("about 2m.")
    assert said(why(store, seconds=2), "queue").endswith("about 5s.")
    write_rates(store.files, {"work": after(8).timestamp()})
    found = why(store, rules=rules)
    assert codes(found) == ["rate-limit", "queue"]
    assert said(found, "queue").startswith("12 jobs of its name come before it")


def test_names_at_their_limit_do_not_stand_before_it(store: Watched) -> None:
    put(store, make_job("r", name="slow"))
    claim(store)
    put(store, make_job("s1", name="slow"), make_job("it"), make_job("s2", name="slow"))
    rules = limits(slow={"concurrency": 1})
    assert codes(why(store, rules=rules)) == ["due"]
    found = why(store, "s2", rules=rules)
    assert codes(found) == ["name-limit", "queue"]
    assert said(found, "queue").startswith("1 job of its name comes before it")


def test_a_million_are_not_counted(store: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "COUNTED", 5)
    put(store, *(make_job(f"j{n}") for n in range(9)), make_job("it"))
    assert said(why(store), "queue").startswith("Over 5 jobs of its name come")


# -- several ---------------------------------------------------------------------------


def test_all_that_is_true_is_told_the_decisive_first(store: Watched) -> None:
    store.answer = Pulse()
    store.full = True
    pausing.pause(store, None, NOON)
    pausing.pause(store, "work", NOON)
    write_handlers({"other": {}}, store.files)
    put(store, make_job("first"), make_job("it", after=("first",), run_at=after(60)))
    assert codes(why(store)) == [
        "store",
        "paused-all",
        "paused",
        "after",
        "delayed",
        "no-daemon",
        "unknown-handler",
    ]


def test_one_that_waits_for_a_cancelled_job_is_said_to(store: Watched) -> None:
    """It is cancelled in the same transaction; if it is not, that is said."""
    put(store, make_job("first"), make_job("it", after=("first",)))
    with store.transaction() as tx:
        tx.save(cancelled(there(tx, "first"), NOON))
    assert said(why(store), "after") == "It comes after work first, which is cancelled."


def test_an_error_of_several_lines_is_one_line(store: Watched) -> None:
    error = JobError("E", "one\x1b[31m\ntwo" + "x" * 500)
    run_once(store, make_job("it"), Outcome.ERROR, options=STEADY, error=error)
    assert "\n" not in said(why(store), "retrying")
    assert "two" not in said(why(store), "retrying")
