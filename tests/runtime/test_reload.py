"""SIGHUP: new code and a new configuration, and nothing that runs is disturbed."""

from __future__ import annotations

import signal
from typing import Any

from jobctl.core.job import Status
from tests.helpers import eventually
from tests.runtime.rig import CONFIG, alive

FIRST = """
import time
from jobctl import handler

@handler
def version(job):
    return 1

@handler
def long(job):
    while not __import__("os").path.exists("go"):
        time.sleep(0.01)
    return 1
"""
SECOND = (
    FIRST.replace("return 1", "return 2")
    + """
@handler
def fresh(job):
    return "new"
"""
)


def reload(rig: Any, daemon: Any, says: str) -> None:
    before = rig.log().count(says)
    daemon.send_signal(signal.SIGHUP)
    eventually(lambda: rig.log().count(says) > before)


def result(rig: Any, name: str) -> Any:
    return rig.queue.wait(rig.queue.add(name), timeout=20)[0].result


def test_new_code_is_used_and_a_running_job_ends_in_the_old(make_rig: Any) -> None:
    rig = make_rig(handlers=FIRST)
    daemon = rig.start("--concurrency", "2")
    assert result(rig, "version") == 1
    running = rig.queue.add("long")
    rig.until(running, Status.RUNNING)
    (rig.folder / "handlers.py").write_text(SECOND)
    reload(rig, daemon, "3 handlers are in use")
    assert result(rig, "version") == 2
    assert result(rig, "fresh") == "new"
    assert rig.get(running).status is Status.RUNNING
    (rig.folder / "go").touch()
    [job] = rig.queue.wait(running, timeout=20)
    assert (job.status, job.result, job.attempts, len(job.history)) == (
        Status.COMPLETED,
        1,
        1,
        1,
    )
    # The server of the old code goes with its last worker.
    eventually(lambda: len([pid for pid in rig.family() if alive(pid)]) <= 3)


def test_broken_code_changes_nothing(make_rig: Any) -> None:
    rig = make_rig(handlers=FIRST)
    daemon = rig.start()
    (rig.folder / "handlers.py").write_text("import nonsense_that_is_not_there\n")
    reload(rig, daemon, "not reloaded, the old handlers stay")
    assert "nonsense_that_is_not_there" in rig.log()
    assert result(rig, "version") == 1
    (rig.folder / "handlers.py").write_text(SECOND)
    reload(rig, daemon, "3 handlers are in use")
    assert result(rig, "version") == 2


def test_a_broken_configuration_changes_nothing(make_rig: Any) -> None:
    rig = make_rig(handlers=FIRST)
    daemon = rig.start()
    assert result(rig, "version") == 1
    (rig.folder / "jobs.toml").write_text("[run]\nconcurency = 3\n")
    reload(rig, daemon, "not reloaded, the old configuration stays")
    assert "jobs.toml:2: run.concurency" in rig.log()
    assert result(rig, "version") == 1


def test_a_new_configuration_holds_for_what_begins_after_it(make_rig: Any) -> None:
    rig = make_rig(handlers=FIRST + "\n@handler\ndef bad(job):\n    1 / 0\n")
    daemon = rig.start()
    (rig.folder / "jobs.toml").write_text(CONFIG.replace("max_retries = 0", "max_retries = 2"))
    reload(rig, daemon, "3 handlers are in use")
    [job] = rig.queue.wait(rig.queue.add("bad"), timeout=20)
    assert (job.status, job.attempts) == (Status.FAILED, 3)


def test_two_reloads_at_once_and_a_stop_in_between(make_rig: Any) -> None:
    rig = make_rig(handlers=FIRST)
    daemon = rig.start()
    for _ in range(5):
        daemon.send_signal(signal.SIGHUP)
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(timeout=20) == 0
    eventually(lambda: not any(alive(pid) for pid in rig.family()))
    assert "Traceback" not in rig.log()


def test_a_stop_is_heard_while_a_new_fork_server_imports(make_rig: Any) -> None:
    slow = "import os, time\nif os.path.exists('slow'):\n    time.sleep(60)\n" + FIRST
    rig = make_rig(handlers=slow)
    daemon = rig.start()
    (rig.folder / "slow").touch()
    reload(rig, daemon, "reloading")
    assert result(rig, "version") == 1
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(timeout=10) == 0
