"""Schedules of a real daemon: every second, over its death, and edited while it runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from jobctl import Scheduler, Status
from tests.helpers import ROOT, eventually
from tests.runtime.conftest import MakeRig
from tests.runtime.rig import CONFIG, Rig

HANDLERS = """
from jobctl import handler, schedule

@handler("work")
def work(job):
    with open("ran", "a") as file:
        file.write(job.id + "\\n")

@schedule("*/5 * * * *", timezone="UTC")
@schedule("@daily", name="nightly", timezone="UTC", data={"n": 1}, expect_within="26h")
@handler("coded")
def coded():
    pass
"""
EVERY_SECOND = """
[schedules.beat]
every = "1s"
job = "work"
catch_up = "all"
overlap = "allow"
"""


def ran(rig: Rig) -> list[str]:
    path = rig.folder / "ran"
    return path.read_text().split() if path.exists() else []


@pytest.fixture
def rig(make_rig: MakeRig) -> Rig:
    return make_rig(HANDLERS, CONFIG + EVERY_SECOND)


def test_each_second_has_one_job_over_a_kill(rig: Rig) -> None:
    daemon = rig.start()
    eventually(lambda: len(ran(rig)) >= 2)
    rig.kill(daemon)
    before = set(ran(rig))
    daemon = rig.start()
    eventually(lambda: len(ran(rig)) >= len(before) + 3)
    assert rig.stop(daemon) == 0
    jobs = rig.queue.list(name="work", limit=1000)
    seconds = sorted(int(job.id[-3:-1]) for job in jobs)
    assert len({job.id for job in jobs}) == len(jobs)
    assert all(job.id.startswith("beat@") and job.schedule == "beat" for job in jobs)
    # Those of the time between the daemons are there too.
    first = jobs[-1].id[-3:-1]
    assert {(int(first) + n) % 60 for n in range(len(jobs))} == set(seconds)


def test_an_edit_takes_effect_by_itself_and_a_wrong_one_does_not(rig: Rig) -> None:
    rig.start()
    file = rig.folder / "jobs.toml"
    eventually(lambda: ran(rig))
    file.write_text(CONFIG + EVERY_SECOND.replace('"work"', '"wrok"'))
    eventually(lambda: "the old schedules stay" in rig.log())
    assert "schedules.beat.job: no handler is called wrok: did you mean work?" in rig.log()
    count = len(ran(rig))
    eventually(lambda: len(ran(rig)) > count)
    (rig.folder / "jobs.d").mkdir()
    (rig.folder / "jobs.d" / "other.toml").write_text(
        '[schedules.other]\nevery = "1s"\njob = "work"\n'
    )
    file.write_text(CONFIG)
    eventually(lambda: any(line.startswith("other@") for line in ran(rig)))
    beats = [line for line in ran(rig) if line.startswith("beat@")]
    count = len(ran(rig))
    eventually(lambda: len(ran(rig)) > count + 1)
    assert [line for line in ran(rig) if line.startswith("beat@")] == beats


def test_reload_refuses_a_schedule_of_an_unknown_job(rig: Rig) -> None:
    daemon = rig.start()
    eventually(lambda: ran(rig))
    (rig.folder / "handlers.py").write_text(HANDLERS.replace('"work"', '"wurk"'))
    daemon.send_signal(signal.SIGHUP)
    eventually(lambda: "not reloaded, the old handlers stay" in rig.log())
    count = len(ran(rig))
    eventually(lambda: len(ran(rig)) > count)


def test_run_refuses_what_cannot_be(make_rig: MakeRig) -> None:
    text = '[schedules.a]\ncron = "0 0 31 2 *"\njob = "work"\n'
    rig = make_rig(HANDLERS, CONFIG + text)
    assert rig.run("--burst") == 2
    assert "jobs.toml:9: schedules.a.cron: " in rig.log()
    (rig.folder / "jobs.toml").write_text(CONFIG + EVERY_SECOND.replace('"work"', '"wrok"'))
    assert rig.run("--burst") == 2
    assert "jobs.toml:11: schedules.beat.job: no handler is called wrok" in rig.log()


def test_schedules_declared_in_code_are_known_and_fire(make_rig: MakeRig) -> None:
    rig = make_rig(HANDLERS.replace('"*/5 * * * *", timezone="UTC"', 'every="1s"'), CONFIG)
    daemon = rig.start()
    eventually(lambda: rig.queue.list(name="coded", status="completed"))
    assert rig.stop(daemon) == 0
    assert rig.queue.list(name="coded")[0].id.startswith("coded@")
    text = (rig.folder / ".jobctl/handlers.json").read_text()
    assert '"name":"nightly"' in text


ALARMS = """
[schedules.silent]
cron = "0 0 1 1 *"
job = "work"
expect_within = "500ms"

[alerts]
on_dead = { command = ["sh", "-c", "cat > told"] }
on_overdue = { job = "work" }
"""
FAILING = """
import signal
from jobctl import handler

@handler("work")
def work(job):
    with open("ran", "a") as file:
        file.write(job.id + "\\n")

@handler("fail", max_retries=0)
def fail():
    raise ValueError("no")

@handler("die")
def die(job):
    open("began-" + job.id, "w").close()
    signal.pause()
"""


def health(rig: Rig) -> int:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "jobctl", "health"],
        cwd=rig.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=30,
        check=False,
    )
    return done.returncode


def test_alarms_of_a_real_daemon(make_rig: MakeRig) -> None:
    rig = make_rig(FAILING, CONFIG + ALARMS)
    rig.start()
    job_id = rig.queue.add("fail")
    told = rig.folder / "told"
    eventually(lambda: told.exists() and told.read_text().endswith("}"))
    assert json.loads(told.read_text())["items"][0]["id"] == job_id
    eventually(lambda: "schedule silent is overdue" in rig.log())
    eventually(lambda: ran(rig))
    alert = rig.get(ran(rig)[0])
    assert (alert.tags, alert.data["alert"]) == (("jobctl-alert",), "overdue")
    assert health(rig) == 1
    trigger = Scheduler(str(rig.folder / "jobs.toml"), str(rig.folder / ".jobctl"))
    trigger.trigger("silent")
    eventually(lambda: "schedule silent has recovered" in rig.log())


def test_a_job_that_dies_with_its_daemon_is_told(make_rig: MakeRig) -> None:
    rig = make_rig(FAILING, CONFIG.replace("[run]", "[run]\nmax_crashes = 1") + ALARMS)
    daemon = rig.start()
    job_id = rig.queue.add("die")
    rig.running(job_id)
    rig.kill(daemon)
    rig.start()
    told = rig.folder / "told"
    eventually(lambda: told.exists() and job_id in told.read_text())
    assert rig.get(job_id).status is Status.FAILED
