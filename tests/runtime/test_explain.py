"""What a real daemon leaves for those who ask why a job does not run."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from tests.helpers import eventually
from tests.runtime.conftest import MakeRig
from tests.runtime.rig import Rig

HANDLERS = """
import os, time
from jobctl import handler

@handler(timeout="1h")
def long(job):
    job.progress(1, 2, "half")
    open(f"began-{job.id}", "w").close()
    while not os.path.exists("go"):
        time.sleep(0.01)

@handler
def short(job):
    pass
"""
CONFIG = """
[run]
handlers = ["handlers"]
concurrency = 1
shutdown_timeout = "10m"

[limits]
short = { rate = "2/h" }
"""


def reasons(rig: Rig, job_id: str) -> dict[str, str]:
    return {one.code: one.message for one in rig.queue.explain(job_id).reasons}


def told(rig: Rig) -> Any:
    try:
        return json.loads((rig.folder / ".jobctl/daemon.json").read_bytes())
    except FileNotFoundError:
        return None


def test_what_the_flags_of_the_daemon_say_holds(make_rig: MakeRig) -> None:
    rig = make_rig(HANDLERS, CONFIG)
    daemon = rig.start("--concurrency", "2")
    first, second = rig.queue.add("long"), rig.queue.add("long")
    rig.running(first)
    rig.running(second)
    third = rig.queue.add("long")
    assert reasons(rig, third)["full"].startswith("All 2 places are taken, by long ")
    running = rig.queue.explain(first)
    by_code = {one.code: one.message for one in running.reasons}
    assert list(by_code) == ["running", "progress", "timeout"]
    assert by_code["progress"] == "It has come to 1 of 2, half."
    assert "Its timeout, 1h," in by_code["timeout"]
    worker = int(by_code["running"].rstrip(".").rpartition(" ")[2])
    assert worker in rig.family()
    daemon.kill()
    daemon.wait()
    assert f"the last one, process {daemon.pid}, was killed" in reasons(rig, third)["no-daemon"]
    assert "orphaned" in reasons(rig, first)


def test_what_a_rate_holds_back(make_rig: MakeRig) -> None:
    rig = make_rig(HANDLERS, CONFIG)
    rig.start()
    first, second, third = (rig.queue.add("short") for _ in range(3))
    rig.ended(first)
    eventually(lambda: "rate-limit" in reasons(rig, third))
    found = reasons(rig, third)
    assert "its name, 2 in 1h, lets the next one begin at" in found["rate-limit"]
    assert found["queue"].startswith("1 job of its name comes before it")
    assert found["queue"].endswith("about 30m.")
    assert "queue" not in reasons(rig, second)


def test_a_daemon_that_is_stopped_by_a_signal(
    make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make_rig(HANDLERS, CONFIG)
    from jobctl.services.explaining.case import Case

    defaults = Case.__init__.__defaults__
    assert defaults is not None
    monkeypatch.setattr(Case.__init__, "__defaults__", (*defaults[:-1], 0.3))
    daemon = rig.start()
    eventually(lambda: rig.stopped_without_the_lock(daemon))
    job_id = rig.queue.add("short")
    assert f"process {daemon.pid}, did not answer" in reasons(rig, job_id)["daemon-hangs"]
    daemon.send_signal(signal.SIGCONT)
    rig.ended(job_id)


def test_a_daemon_that_stops(make_rig: MakeRig) -> None:
    rig = make_rig(HANDLERS, CONFIG)
    daemon = rig.start()
    first = rig.queue.add("long")
    rig.running(first)
    second = rig.queue.add("short")
    daemon.send_signal(signal.SIGTERM)
    eventually(lambda: told(rig)["state"] == "stopping")
    assert "daemon-stopping" in reasons(rig, second)
    assert "goes back to pending" in reasons(rig, first)["daemon-stopping"]
    (rig.folder / "go").touch()
    assert daemon.wait(20) == 0
    assert told(rig) is None
    assert reasons(rig, second) == {"no-daemon": "No daemon runs."}


def test_handlers_that_do_not_import(make_rig: MakeRig) -> None:
    rig = make_rig(HANDLERS, CONFIG)
    (rig.folder / "handlers.py").write_text("import there_is_no_such_module\n")
    job_id = rig.queue.add("short")
    assert rig.run() == 2
    found = reasons(rig, job_id)
    assert list(found) == ["import-failed"]
    assert found["import-failed"].endswith(
        "ModuleNotFoundError: No module named 'there_is_no_such_module'."
    )


def test_a_reload_that_is_refused_and_one_that_is_not(make_rig: MakeRig) -> None:
    rig = make_rig(HANDLERS, CONFIG)
    daemon = rig.start()
    assert told(rig)["state"] == "ready"
    (rig.folder / "handlers.py").write_text("1 / 0\n")
    daemon.send_signal(signal.SIGHUP)
    eventually(lambda: told(rig)["troubles"])
    late = rig.queue.add("fresh", delay=60)
    found = reasons(rig, late)
    assert list(found) == ["delayed", "import-failed", "unknown-handler"]
    assert found["import-failed"].endswith("ZeroDivisionError: division by zero.")
    (rig.folder / "handlers.py").write_text(HANDLERS.replace("short", "fresh"))
    (rig.folder / "jobs.toml").write_text(CONFIG.replace("2/h", "9/h"))
    daemon.send_signal(signal.SIGHUP)
    eventually(lambda: told(rig)["troubles"] == {})
    assert list(reasons(rig, late)) == ["delayed"]
    assert told(rig)["rules"]["limits"]["short"]["rate"] == [9, 3600.0]


def test_a_job_of_a_name_that_no_handler_has(make_rig: MakeRig) -> None:
    rig = make_rig(HANDLERS, CONFIG)
    rig.start()
    job_id = rig.queue.add("shorts")
    rig.ended(job_id)
    found = rig.queue.explain(job_id)
    assert [one.code for one in found.reasons] == ["error", "no-retry"]
    assert found.next[-1].why.startswith("run it again when there is a handler of its name")
