"""Commands as jobs, run by real workers."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from jobctl.core.job import Exit, Job, Outcome, Status
from tests.helpers import eventually
from tests.runtime.conftest import MakeRig
from tests.runtime.rig import CONFIG, Rig, alive, seconds_for

NONE = CONFIG.replace('handlers = ["handlers"]\n', "")
NOOP = "from jobctl import handler\n@handler\ndef noop(job): ...\n"


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A daemon without handlers."""
    rig = Rig(tmp_path_factory.mktemp("shell"), "", NONE)
    rig.start()
    yield rig
    rig.close()


def add(rig: Rig, *argv: str, **options: Any) -> str:
    return rig.queue.add_shell(argv, **{"cwd": str(rig.folder), **options})


def lines_of(rig: Rig, job: Job[Any]) -> list[str]:
    return (rig.folder / f".jobctl/logs/{job.id}.log").read_text().splitlines()[1:]


def test_a_command_runs_as_it_is_given(rig: Rig) -> None:
    job = rig.ended(add(rig, "printf", "%s\\n", "$HOME", "a b", "*"))
    assert (job.name, job.status, job.result) == ("printf", Status.COMPLETED, {"exit_code": 0})
    assert lines_of(rig, job) == ["$HOME", "a b", "*"]
    [attempt] = job.history
    assert attempt.max_rss is not None
    assert 0 < attempt.max_rss < 40_000_000
    assert attempt.cpu_seconds is not None


def test_its_folder_and_environment_are_those_of_the_add(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_TIME", "C.UTF-8")
    monkeypatch.setenv("SECRET", "not this")
    job = rig.ended(add(rig, "sh", "-c", "pwd; env", cwd="/usr", env={"A": "1", "HOME": "/x"}))
    folder, *env = lines_of(rig, job)
    assert folder == "/usr"
    found = dict(line.split("=", 1) for line in env)
    assert found.pop("JOBCTL_FAMILY")
    for name in ("PWD", "SHLVL", "OLDPWD", "_"):
        found.pop(name, None)  # the shell's own
    assert found.pop("PATH") == os.environ["PATH"]
    for name in ("LANG", "TZ", "LC_ALL", "LC_CTYPE"):
        assert found.pop(name, None) == os.environ.get(name)
    assert found == {
        "A": "1",
        "HOME": "/x",
        "LC_TIME": "C.UTF-8",
        "JOBCTL_JOB_ID": job.id,
        "JOBCTL_ATTEMPT": "1",
    }


def test_another_exit_code_fails_the_attempt_and_is_retried(rig: Rig) -> None:
    job_id = add(rig, "sh", "-c", "echo try $JOBCTL_ATTEMPT; exit 7", max_retries=1)
    job = rig.ended(job_id)
    assert (job.status, job.attempts) == (Status.FAILED, 2)
    assert job.error is not None
    assert (job.error.type, job.error.message) == (
        "ShellError",
        "sh ended with exit code 7",
    )
    assert [attempt.log_tail for attempt in job.history] == [("try 1",), ("try 2",)]
    assert [attempt.exit for attempt in job.history] == [Exit(code=7)] * 2


def test_a_signal_is_named(rig: Rig) -> None:
    job = rig.ended(add(rig, "sh", "-c", "kill -SEGV $$"))
    assert job.error is not None
    assert job.error.message == "sh was ended by SIGSEGV"
    assert (job.history[0].outcome, job.history[0].exit) == (
        Outcome.ERROR,
        Exit(signal="SIGSEGV"),
    )


@pytest.mark.parametrize(
    ("argv", "cwd", "message"),
    [
        (["no-such-command"], "/", "no-such-command cannot be started in /: No such file"),
        (["true"], "/nowhere", "true cannot be started in /nowhere: No such file"),
        (["/etc/passwd"], "/", "/etc/passwd cannot be started in /: Permission denied"),
    ],
)
def test_one_that_cannot_be_started_says_why(
    rig: Rig, argv: list[str], cwd: str, message: str
) -> None:
    job = rig.ended(rig.queue.add_shell(argv, cwd=cwd))
    assert job.error is not None
    assert job.error.message.startswith(message)


# Its child takes no notice of SIGTERM.
TREE = (
    "(trap '' TERM; exec sleep 60) & echo $! > pids; echo $$ >> pids; "
    "trap 'echo stopping; exit 0' TERM; wait"
)
STUBBORN = "trap '' TERM; echo $$ > stubborn; while :; do sleep 1; done"


def test_a_timeout_ends_the_whole_group(rig: Rig) -> None:
    job = rig.ended(add(rig, "sh", "-c", TREE, timeout=0.3))
    assert job.history[0].outcome is Outcome.TIMEOUT
    assert job.history[0].exit is None  # the worker was not killed
    assert lines_of(rig, job) == ["stopping"]
    assert job.history[0].log_tail == ("stopping",)
    assert not any(map(alive, rig.pids("pids")))


def test_a_timeout_ends_what_has_left_the_group_too(rig: Rig) -> None:
    script = "setsid sh -c 'echo $$ > away; sleep 60 & echo $! >> away; wait' & sleep 60"
    job = rig.ended(add(rig, "sh", "-c", script, timeout=0.5))
    assert (job.history[0].outcome, job.history[0].exit) == (Outcome.TIMEOUT, None)
    assert len(rig.pids("away")) == 2
    assert not any(map(alive, rig.pids("away")))


def test_a_cancel_ends_it_alike(rig: Rig) -> None:
    (rig.folder / "pids").unlink(missing_ok=True)
    job_id = add(rig, "sh", "-c", TREE, timeout=60)
    eventually(lambda: len(rig.pids("pids")) == 2)
    rig.queue.cancel(job_id)
    job = rig.ended(job_id)
    assert job.status is Status.CANCELLED
    assert lines_of(rig, job) == ["stopping"]
    assert not any(map(alive, rig.pids("pids")))


def test_one_that_ignores_it_is_killed(rig: Rig) -> None:
    job = rig.ended(add(rig, "sh", "-c", STUBBORN, timeout=0.2))
    assert job.history[0].outcome is Outcome.TIMEOUT
    assert job.history[0].exit is not None
    assert job.history[0].exit.signal == "SIGKILL"
    assert seconds_for(job) < 3
    assert not any(map(alive, rig.pids("stubborn")))


def test_it_can_be_interrupted_like_any_command(rig: Rig) -> None:
    job = rig.ended(add(rig, "sh", "-c", "kill -INT $$; kill -HUP $$; echo still here"))
    assert job.error is not None
    assert job.error.message == f"sh was ended by {signal.SIGINT.name}"


def test_without_handlers_other_jobs_wait(make_rig: MakeRig) -> None:
    rig = make_rig("", NONE)
    waiting = rig.queue.add_many([("noop", {})] * 30)
    shell = [add(rig, "true"), add(rig, "true")]
    assert rig.run("--burst") == 0
    assert [rig.get(one).status for one in shell] == [Status.COMPLETED] * 2
    jobs = [rig.get(one) for one in waiting]
    assert {(job.status, job.attempts) for job in jobs} == {(Status.PENDING, 0)}
    assert "no handlers are configured, so only shell jobs run" in rig.log()


def test_with_handlers_both_run_and_a_shell_job_wins_its_name(make_rig: MakeRig) -> None:
    rig = make_rig(NOOP)
    one = rig.queue.add("noop")
    two = add(rig, "echo", "hello", name="noop")
    assert rig.run("--burst") == 0
    assert rig.get(one).result is None
    assert rig.get(two).result == {"exit_code": 0}
    assert lines_of(rig, rig.get(two)) == ["hello"]


def test_more_of_them_than_workers_run_in_turn(rig: Rig) -> None:
    script = "mkdir lock-$$; set -- lock-*; echo $#; sleep 0.02; rmdir lock-$$"
    jobs = rig.queue.wait([add(rig, "sh", "-c", script) for _ in range(12)], 20)
    assert {job.status for job in jobs} == {Status.COMPLETED}
    assert {lines_of(rig, job)[0] for job in jobs} <= {"1", "2"}


def test_a_command_left_by_a_killed_daemon_is_ended(make_rig: MakeRig) -> None:
    rig = make_rig("", NONE)
    daemon = rig.start()
    job_id = add(rig, "sh", "-c", "setsid sleep 77 & echo $! > pids; sleep 78")
    eventually(lambda: len(rig.pids("pids")) == 1)
    rig.kill(daemon)
    left = rig.pids("pids")
    rig.start()
    rig.until(job_id, Status.RUNNING)
    assert not any(map(alive, left))


def test_the_folder_is_made_absolute(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/usr")
    for cwd, wanted in ((None, "/usr"), ("bin", "/usr/bin")):
        job = rig.get(rig.queue.add_shell(["true"], cwd=cwd, delay="1h"))
        assert job.shell is not None
        assert Path(job.shell["cwd"]) == Path(wanted)
