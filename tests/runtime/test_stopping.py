"""How a daemon starts and stops, and what the next one makes of one that was killed."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from jobctl.core.job import Outcome, Status
from tests.helpers import eventually
from tests.runtime.rig import CONFIG, alive, clock

SLOW_IMPORT = """
import time, pathlib
from jobctl import handler
pathlib.Path(__file__).with_name("importing").touch()
time.sleep(20)
@handler("echo")
def echo(job): ...
"""
THREAD_AT_IMPORT = """
import os, threading
from jobctl import handler
threading.Thread(target=threading.Event().wait, daemon=True).start()
@handler("count")
def count(job):
    return threading.active_count()
@handler("crash")
def crash(job):
    os._exit(3)
"""
NO_STDOUT = """
import io, sys
from jobctl import handler
sys.stdout = io.StringIO()
@handler("echo")
def echo(job):
    print("unseen")
"""
FAILS_IN_WORKERS = """
import os, threading
from jobctl import handler
threading.Thread(target=threading.Event().wait, daemon=True).start()
with open(os.path.join(os.path.dirname(__file__), "imports"), "a+") as file:
    file.write("x")
    file.seek(0)
    if 1 < len(file.read()) < 4:
        raise RuntimeError("only in a worker")
@handler("echo")
def echo(job): ...
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_lets_running_jobs_end(make_rig: Any, number: int) -> None:
    rig = make_rig()
    daemon = rig.start("--concurrency", "1")
    job_id = rig.queue.add("sleep", {"seconds": 0.5})
    rig.running(job_id)
    waiting = rig.queue.add("echo")
    assert rig.stop(daemon, number) == 0
    assert rig.get(job_id).status is Status.COMPLETED
    assert (rig.get(waiting).status, rig.get(waiting).attempts) == (Status.PENDING, 0)
    assert "Traceback" not in rig.log()
    assert not (rig.folder / ".jobctl/family.json").exists()


def test_what_outlives_shutdown_timeout_goes_back_uncharged(make_rig: Any) -> None:
    rig = make_rig(config=CONFIG + 'shutdown_timeout = "200ms"\n')
    daemon = rig.start()
    jobs = [rig.queue.add(name, {"seconds": 60}) for name in ("swallow", "async-sleep")]
    for job_id in jobs:
        rig.running(job_id)
    assert rig.stop(daemon) == 0
    for job_id in jobs:
        job = rig.get(job_id)
        assert (job.status, job.attempts, job.run_at) == (Status.PENDING, 0, None)
        assert job.history[-1].outcome is Outcome.RELEASED
        assert not alive(rig.pids(f"began-{job_id}")[0])


def test_a_second_signal_stops_at_once(make_rig: Any) -> None:
    rig = make_rig()
    daemon = rig.start()
    job_id = rig.queue.add("swallow")
    rig.running(job_id)
    start = clock()
    daemon.terminate()
    eventually(lambda: "stopping: " in rig.log())
    assert rig.stop(daemon) == 0
    assert clock() - start < 5
    assert (rig.get(job_id).status, rig.get(job_id).attempts) == (Status.PENDING, 0)


def test_sigquit_stops_at_once(make_rig: Any) -> None:
    rig = make_rig()
    daemon = rig.start()
    job_id = rig.queue.add("swallow")
    rig.running(job_id)
    start = clock()
    assert rig.stop(daemon, signal.SIGQUIT) == 0
    assert clock() - start < 5
    job = rig.get(job_id)
    assert (job.status, job.attempts) == (Status.PENDING, 0)
    assert job.history[-1].outcome is Outcome.RELEASED


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_while_the_handlers_are_imported(make_rig: Any, number: int) -> None:
    rig = make_rig(SLOW_IMPORT)
    daemon = rig.start(ready=False)
    eventually((rig.folder / "importing").exists)
    server = rig.server_pid()
    start = clock()
    assert rig.stop(daemon, number) == 0
    assert clock() - start < 5
    assert "Traceback" not in rig.log()
    eventually(lambda: not alive(server))


def test_burst_runs_what_is_due_and_ends(make_rig: Any) -> None:
    rig = make_rig()
    rig.queue.add_many([("echo", n) for n in range(50)])
    later = rig.queue.add("echo", delay=3600)
    assert rig.run("--burst") == 0
    assert rig.queue.stats().completed == 50
    assert rig.get(later).status is Status.PENDING


def test_a_second_daemon_is_refused_and_names_the_first(make_rig: Any) -> None:
    rig = make_rig()
    daemon = rig.start()
    assert rig.run() == 5
    assert f"process {daemon.pid} is the daemon of" in rig.log()
    assert rig.ended(rig.queue.add("echo")).status is Status.COMPLETED


def test_standby_takes_over(make_rig: Any) -> None:
    rig = make_rig()
    first = rig.start()
    second = rig.start("--standby", ready=False)
    done = rig.ended(rig.queue.add("echo"))
    assert rig.stop(first) == 0
    eventually(lambda: rig.log().count("ready: ") == 2)
    assert rig.ended(rig.queue.add("echo")).result["pid"] != done.result["pid"]
    assert rig.stop(second) == 0


def test_a_killed_daemons_jobs_are_recovered(make_rig: Any) -> None:
    rig = make_rig()
    daemon = rig.start("--concurrency", "2")
    begun = rig.queue.add("tree", {"end": "never"})
    rig.running(begun)
    worker = rig.pids(f"began-{begun}")[0]
    tree = rig.pids("tree")
    rig.kill(daemon)
    assert rig.get(begun).status is Status.RUNNING
    assert alive(tree[2])
    rig.start()
    # Nothing of the old family is left when the job runs again: a setsid grandchild neither.
    assert not any(map(alive, [worker, *tree]))
    eventually(lambda: rig.get(begun).attempts == 1)  # claimed again
    assert [attempt.outcome for attempt in rig.get(begun).history] == [Outcome.LOST]
    assert "recovered 1 jobs of a daemon that died, 1 of them had begun" in rig.log()


def handed_over_together(rig: Any) -> tuple[str, list[str]]:
    """Return a long job that runs, and short ones that wait behind it in the one worker."""
    many: list[Any] = [("maybe-short", {"seconds": 30})]
    many += [("maybe-short", {"seconds": 0})] * 30
    for _ in range(5):  # on a busy machine the daemon may take them for slow ones
        rig.queue.wait(rig.queue.add_many(("maybe-short", {"seconds": 0}) for _ in range(200)))
        long, *others = rig.queue.add_many(many)
        rig.running(long)
        try:
            eventually(lambda: rig.queue.stats().running > 1, 2)
        except AssertionError:
            pass
        else:
            return long, others
        rig.queue.cancel(long)
        rig.queue.wait([long, *others])
    pytest.fail("the daemon never handed several jobs over")


def test_only_what_had_begun_is_charged(make_rig: Any) -> None:
    rig = make_rig()
    daemon = rig.start("--concurrency", "1")
    long, others = handed_over_together(rig)
    rig.kill(daemon)
    claimed = [job.id for job in rig.queue.list(status="running", limit=1000)]
    rig.queue.cancel(long)
    assert rig.run("--burst") == 0
    assert rig.get(long).status is Status.CANCELLED
    assert rig.get(long).history[-1].outcome is Outcome.LOST
    assert len(claimed) > 1
    for job_id in others:
        job = rig.get(job_id)
        assert (job.status, job.attempts) == (Status.COMPLETED, 1)
        released = [Outcome.RELEASED] if job_id in claimed else []
        assert [a.outcome for a in job.history] == [*released, Outcome.COMPLETED]


def test_a_job_that_takes_daemons_along_is_dead_in_the_end(make_rig: Any) -> None:
    rig = make_rig()
    job_id = rig.queue.add("sleep", {"seconds": 60}, max_retries=9)
    for _ in range(3):
        daemon = rig.start()
        rig.running(job_id)
        rig.kill(daemon)
        (rig.folder / f"began-{job_id}").unlink()
    (rig.folder / "handlers.py").write_text("1 / 0")
    assert rig.run() == 2  # what had begun is remembered across a start that fails
    (rig.folder / "handlers.py").write_text("")
    assert rig.run("--burst") == 0
    job = rig.get(job_id)
    assert (job.status, job.attempts) == (Status.FAILED, 0)
    assert [a.outcome for a in job.history] == [Outcome.LOST] * 3


def test_the_fork_server_is_killed(make_rig: Any) -> None:
    rig = make_rig()
    rig.start()
    job_id = rig.queue.add("tree", {"end": "never"})
    rig.running(job_id)
    first = [rig.pids(f"began-{job_id}")[0], *rig.pids("tree")]
    (rig.folder / f"began-{job_id}").unlink()
    os.kill(rig.server_pid(), signal.SIGKILL)
    rig.running(job_id)
    assert not any(map(alive, first))
    job = rig.get(job_id)
    assert (job.history[-1].outcome, job.attempts) == (Outcome.LOST, 1)
    assert rig.ended(rig.queue.add("echo")).status is Status.COMPLETED


def test_a_broken_handlers_module_touches_no_job(make_rig: Any) -> None:
    rig = make_rig("def f():\n    raise KeyError('boom')\nf()\n")
    job_id = rig.queue.add("echo")
    before = rig.get(job_id)
    assert rig.run() == 2
    assert 'handlers.py", line 2, in f' in rig.log()
    assert "KeyError: 'boom'" in rig.log()
    assert "jobctl/runtime" not in rig.log()
    assert rig.get(job_id) == before


def test_handlers_that_end_the_import(make_rig: Any) -> None:
    rig = make_rig("import os\nos.kill(os.getpid(), 11)\n")
    assert rig.run() == 2
    assert "the handlers ended the process that imported them, by signal 11" in rig.log()


def test_without_handlers_the_jobs_wait(make_rig: Any) -> None:
    rig = make_rig("", config="")
    job_id = rig.queue.add("echo")
    assert rig.run("--burst") == 0
    assert "no handlers are configured" in rig.log()
    assert rig.get(job_id).status is Status.PENDING


def test_workers_import_for_themselves_when_the_import_starts_a_thread(make_rig: Any) -> None:
    rig = make_rig(THREAD_AT_IMPORT)
    job_id, crash = rig.queue.add("count"), rig.queue.add("crash")
    assert rig.run("--burst") == 0
    assert rig.get(job_id).result == 2
    assert rig.get(crash).history[-1].outcome is Outcome.CRASHED
    assert "the handlers start a thread" in rig.log()


def test_a_worker_that_cannot_start_is_tried_again(make_rig: Any) -> None:
    rig = make_rig(FAILS_IN_WORKERS)
    job_id = rig.queue.add("echo")
    assert rig.run("--burst") == 0
    assert rig.get(job_id).status is Status.COMPLETED
    assert rig.get(job_id).attempts == 1
    assert "only in a worker" in rig.log()


def test_handlers_that_replace_stdout(make_rig: Any) -> None:
    rig = make_rig(NO_STDOUT)
    job_id = rig.queue.add("echo")
    assert rig.run("--burst") == 0
    assert rig.get(job_id).status is Status.COMPLETED


def test_modules_are_found_from_the_folder_of_the_file(make_rig: Any) -> None:
    rig = make_rig()
    package = rig.folder / "app"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "jobs.py").write_text(
        "from jobctl import handler\nimport neighbour\n"
        "@handler('where')\ndef where(job): return neighbour.VALUE\n"
    )
    (rig.folder / "neighbour.py").write_text("VALUE = 'beside jobs.toml'\n")
    # A file of the current folder must not stand in for one of Python's or jobctl's own.
    (rig.folder / "selectors.py").write_text("raise SystemExit('not me')\n")
    (rig.folder / "jobs.toml").write_text('[run]\nhandlers = ["app.jobs"]\n')
    job_id = rig.queue.add("where")
    assert rig.run("--burst") == 0, rig.log()
    assert rig.get(job_id).result == "beside jobs.toml"
