"""What handlers print: in the log of their job, and nowhere else."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Any

import pytest

from jobctl.core.job import Outcome, Status
from jobctl.services.growth import Growth
from tests.helpers import eventually
from tests.runtime.conftest import MakeRig
from tests.runtime.rig import CONFIG, Rig

HANDLERS = (Path(__file__).parent / "log_handlers.py").read_text()
SMALL = CONFIG + 'max_log = "100KiB"\n'
STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
HEADER = rf"--- attempt %d at {STAMP} ---"


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Any:
    rig = Rig(tmp_path_factory.mktemp("logs"), HANDLERS, SMALL)
    rig.start()
    yield rig
    rig.close()


def log_of(rig: Rig, job_id: str) -> Path:
    return rig.folder / ".jobctl/logs" / f"{job_id}.log"


def lines_of(rig: Rig, job_id: str) -> list[str]:
    return log_of(rig, job_id).read_text().splitlines()


def warm(rig: Rig, name: str) -> None:
    """Let the daemon learn that a name is short, so that its jobs share a worker."""
    ids = [rig.queue.add(name, {"n": n}) for n in range(20)]
    rig.queue.wait(ids, 10)


def test_all_that_a_handler_writes_is_in_its_log_in_order(rig: Rig) -> None:
    job_id = rig.queue.add("every-way")
    assert rig.ended(job_id).status is Status.COMPLETED
    wanted = [
        HEADER % 1,
        f"{STAMP} info printed",
        f"{STAMP} warning on stderr",
        f"{STAMP} info shop: logged 7",
        f"{STAMP} error shop: worse",
        f"{STAMP} error in two lines",
        "from a subprocess",
        "from a descriptor",
        "from C",
        "as bytes",
        f"{STAMP} info no newline and on",
    ]
    lines = lines_of(rig, job_id)
    assert len(lines) == len(wanted)
    for line, pattern in zip(lines, wanted, strict=True):
        assert re.fullmatch(pattern, line), line
    path = log_of(rig, job_id)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert (rig.folder / "out").read_text() == ""
    assert "printed" not in rig.log()


@pytest.mark.parametrize("name", ["say", "in-a-loop"])
def test_short_jobs_that_share_a_worker_have_their_own_logs(rig: Rig, name: str) -> None:
    warm(rig, name)
    ids = rig.queue.add_many([(name, {"n": n}) for n in range(300)])
    rig.queue.wait(ids, 20)
    for n, job_id in enumerate(ids):
        first, line = lines_of(rig, job_id)
        assert re.fullmatch(HEADER % 1, first)
        assert line.endswith(f" {n}")


def test_a_job_that_writes_nothing_has_no_log(rig: Rig) -> None:
    job_id = rig.queue.add("noop")  # alone
    rig.ended(job_id)
    warm(rig, "noop")
    ids = rig.queue.add_many([("noop", {})] * 50)  # and with others
    rig.queue.wait(ids, 10)
    silent = rig.queue.add("dies-silently")
    assert rig.ended(silent).status is Status.FAILED
    assert not [one for one in (job_id, *ids, silent) if log_of(rig, one).exists()]


def test_a_crash_loses_nothing_that_was_written(rig: Rig) -> None:
    job_id = rig.queue.add("dies")
    [attempt] = rig.ended(job_id).history
    assert attempt.outcome is Outcome.CRASHED
    assert lines_of(rig, job_id)[-1].endswith("x" * 2000)
    assert attempt.log_tail is not None
    assert len(attempt.log_tail) == 20
    assert attempt.log_tail[0].endswith("info line 11")
    assert len(attempt.log_tail[-1]) == 500


def test_a_crash_among_short_jobs_loses_nothing_either(rig: Rig) -> None:
    warm(rig, "quick-then-dies")
    ids = rig.queue.add_many([("quick-then-dies", {"n": n}) for n in (1, 2, "die", 4, 5)])
    jobs = rig.queue.wait(ids, 10)
    assert [job.status.value for job in jobs].count("failed") == 1
    for job_id, n in zip(ids, (1, 2, "die", 4, 5), strict=True):
        assert [line.split()[-1] for line in lines_of(rig, job_id)[1:]] == [str(n)]
    tail = jobs[2].history[0].log_tail
    assert tail is not None
    assert tail[0].endswith("quick die")


def test_each_attempt_has_a_header_and_failed_ones_their_own_tail(rig: Rig) -> None:
    job_id = rig.queue.add("fails")
    job = rig.ended(job_id)
    lines = lines_of(rig, job_id)
    assert [bool(re.fullmatch(HEADER % n, lines[2 * n - 2])) for n in (1, 2, 3)] == [True] * 3
    tails = [attempt.log_tail for attempt in job.history]
    assert [len(tail or ()) for tail in tails] == [1, 1, 1]
    assert [tail[0][-9:] for tail in tails if tail] == ["attempt 1", "attempt 2", "attempt 3"]


def test_a_killed_attempt_has_its_tail_and_cpu(rig: Rig) -> None:
    job_id = rig.queue.add("hangs", timeout=0.2)
    [attempt] = rig.ended(job_id).history
    assert attempt.outcome is Outcome.TIMEOUT
    assert attempt.error is not None
    assert "its timeout of 0.2 s" in attempt.error.message
    assert attempt.exit is not None
    assert attempt.log_tail is not None
    assert attempt.log_tail[0].endswith("hanging")
    assert attempt.cpu_seconds is not None


def test_a_flood_keeps_the_head_and_the_tail(rig: Rig) -> None:
    job_id = rig.queue.add("floods")
    rig.ended(job_id)
    text = log_of(rig, job_id).read_text()
    assert len(text) <= 100 * 1024 + 200
    lines = text.splitlines()
    assert lines[1].endswith("the beginning")
    assert lines[-1].endswith("the end")
    [out] = re.findall(r"(?m)^--- (\d+) bytes left out ---$", text)
    whole = 200 * 100_000 + sum(len(lines[n]) + 1 for n in (0, 1, -1))
    assert int(out) + len(text) - len(f"--- {out} bytes left out ---\n") == whole
    assert set(lines[2:-1]) == {"y" * 99, f"--- {out} bytes left out ---"}


def test_a_flood_takes_no_disk_space_while_it_runs(rig: Rig) -> None:
    job_id = rig.queue.add("floods", {"look": True})
    rig.ended(job_id, 20)
    blocks = lines_of(rig, job_id)[-2]
    assert int(blocks.split()[-1]) < 400_000


def test_cpu_seconds_are_those_of_the_job_and_its_children(make_rig: MakeRig) -> None:
    rig = make_rig(HANDLERS)
    rig.start("--concurrency", "1")
    rig.ended(rig.queue.add("burns"))  # an earlier job of the same worker does not count
    ids = [rig.queue.add("burns"), rig.queue.add("burns", {"die": True})]
    for job in rig.queue.wait(ids, 20):
        seconds = job.history[0].cpu_seconds
        assert seconds is not None
        assert 0.39 < seconds < 0.75


def test_what_a_handler_does_to_the_streams_ends_with_it(make_rig: MakeRig) -> None:
    rig = make_rig(HANDLERS)
    rig.start("--concurrency", "1")
    assert rig.ended(rig.queue.add("breaks-streams")).status is Status.COMPLETED
    job_id = rig.queue.add("every-way")
    assert rig.ended(job_id).status is Status.COMPLETED
    lines = lines_of(rig, job_id)
    assert len(lines) == 11
    assert lines[2].endswith(" warning on stderr")


def test_what_a_killed_daemon_left_is_in_the_log(make_rig: MakeRig) -> None:
    rig = make_rig(HANDLERS)
    daemon = rig.start()
    job_id = rig.queue.add("hangs")
    eventually(
        lambda: log_of(rig, job_id).exists() and "hanging" in log_of(rig, job_id).read_text()
    )
    rig.kill(daemon)
    rig.start()
    job = rig.until(job_id, Status.RUNNING)
    assert job.history[0].outcome is Outcome.LOST
    assert job.history[0].log_tail is not None
    assert job.history[0].log_tail[0].endswith("hanging")


def test_what_a_killed_daemon_left_of_a_short_job_is_there_too(make_rig: MakeRig) -> None:
    rig = make_rig(HANDLERS)
    daemon = rig.start("--concurrency", "1")
    warm(rig, "say")
    job_id = rig.queue.add("say", {"n": "hang"})
    rig.until(job_id, Status.RUNNING)
    spools = (rig.folder / ".jobctl/logs").glob(".spools/*")
    [spool] = list(spools)
    eventually(lambda: b"said hang" in spool.read_bytes())
    rig.kill(daemon)
    rig.start()
    job = rig.until(job_id, Status.RUNNING)
    assert job.history[0].log_tail is not None
    assert job.history[0].log_tail[0].endswith("said hang")
    assert not spool.exists()


def test_no_spool_is_left_behind(make_rig: MakeRig) -> None:
    rig = make_rig(HANDLERS)
    rig.queue.add_many([("say", {"n": n}) for n in range(50)])
    assert rig.run("--burst") == 0
    assert not list((rig.folder / ".jobctl/logs").glob(".spools/*"))


def test_delete_cleanup_and_replace_take_the_log_along(make_rig: MakeRig) -> None:
    rig = make_rig(HANDLERS)
    ids = rig.queue.add_many([("say", {"n": n}) for n in range(3)])
    named = rig.queue.add("say", {"n": 4}, id="mine")
    assert rig.run("--burst") == 0
    assert all(log_of(rig, one).exists() for one in (*ids, named))
    rig.queue.delete(ids[0])
    assert not log_of(rig, ids[0]).exists()
    rig.queue.add("say", {"n": 5}, id="mine", if_exists="keep")
    assert log_of(rig, named).exists()
    rig.queue.add("say", {"n": 5}, id="mine", if_exists="replace")
    assert not log_of(rig, named).exists()
    from datetime import timedelta

    rig.queue.cleanup(timedelta(0))
    assert not [one for one in ids if log_of(rig, one).exists()]


def test_one_that_closes_all_descriptors_harms_only_itself(make_rig: MakeRig) -> None:
    rig = make_rig(HANDLERS)
    rig.start("--concurrency", "1")
    job_id = rig.queue.add("closes-all")
    [attempt] = rig.ended(job_id).history
    assert attempt.outcome is Outcome.CRASHED
    assert attempt.log_tail is not None
    # What follows is why its worker could not go on.
    assert [line.split()[-1] for line in attempt.log_tail[:2]] == ["before", "after"]
    sizes = {path.stat().st_size for path in rig.folder.glob("precious-*")}
    assert sizes == {1000}
    other = rig.queue.add("say", {"n": 1})
    assert rig.ended(other).status is Status.COMPLETED
    assert [line.split()[-1] for line in lines_of(rig, other)[1:]] == ["1"]


def test_so_does_a_short_one(make_rig: MakeRig) -> None:
    rig = make_rig(HANDLERS.replace("def closes_all(job: Job[Any]) -> None:\n", """\
def closes_all(job: Job[Any]) -> None:
    if job.data.get("not yet"):
        return
"""))  # fmt: skip
    rig.start("--concurrency", "1")
    rig.queue.wait([rig.queue.add("closes-all", {"not yet": True}) for _ in range(20)], 10)
    job_id = rig.queue.add("closes-all")
    [attempt] = rig.ended(job_id).history
    assert attempt.outcome is Outcome.CRASHED
    assert [line.split()[-1] for line in (attempt.log_tail or ())[:2]] == ["before", "after"]
    assert {path.stat().st_size for path in rig.folder.glob("precious-*")} == {1000}


def test_a_child_that_a_short_job_leaves_writes_into_no_other_log(make_rig: MakeRig) -> None:
    rig = make_rig(HANDLERS)
    rig.start("--concurrency", "1")
    warm(rig, "leaves-a-child")
    ids = [rig.queue.add("leaves-a-child", {"n": 1, "child": True})]
    ids += rig.queue.add_many([("leaves-a-child", {"n": n}) for n in (2, 3)])
    rig.queue.wait(ids, 10)
    (rig.folder / "go").touch()
    eventually((rig.folder / "gone").exists)
    ids.append(rig.queue.add("leaves-a-child", {"n": 4}))
    rig.queue.wait(ids, 10)
    for n, job_id in enumerate(ids, 1):
        assert [line.split()[-2:] for line in lines_of(rig, job_id)[1:]] == [["mother", str(n)]]


def test_a_handler_that_forks_has_both_in_its_log(rig: Rig) -> None:
    job_id = rig.queue.add("forks")
    assert rig.ended(job_id).status is Status.COMPLETED
    words = [line.partition(" info ")[2] for line in lines_of(rig, job_id)[1:]]
    assert words == ["parent", "child", "parent again"]


def test_megabytes_without_a_newline_keep_their_ends(rig: Rig) -> None:
    job_id = rig.queue.add("no-newline")
    assert rig.ended(job_id).status is Status.COMPLETED
    text = log_of(rig, job_id).read_text()
    assert 90_000 < len(text) <= 100 * 1024 + 200
    assert re.fullmatch(
        rf"{HEADER % 1}\n({STAMP} info )z+\n--- \d+ bytes left out ---\nz+", text
    )


def test_a_running_short_job_shows_what_it_has_written(make_rig: MakeRig) -> None:
    rig = make_rig(HANDLERS)
    rig.start("--concurrency", "1")
    warm(rig, "say")
    job_id = rig.queue.add("say", {"n": "hang"})

    def shown() -> str:
        growth = Growth(rig.folder / ".jobctl", job_id, once=True)
        return b"".join(growth.more()).decode()

    assert eventually(lambda: re.fullmatch(rf"{HEADER % 1}\n{STAMP} info said hang\n", shown()))


def test_max_rss_is_that_of_the_job(make_rig: MakeRig) -> None:
    rig = make_rig(HANDLERS)
    rig.start("--concurrency", "1")
    rig.ended(rig.queue.add("grows", {"bytes": 200_000_000}))

    def peak_of(**data: Any) -> int | None:
        return rig.ended(rig.queue.add("grows", data)).history[0].max_rss

    small = peak_of(bytes=1)
    assert small is not None
    assert small < 80_000_000  # not what an earlier job has had
    grown = peak_of(bytes=60_000_000, die=True)
    assert grown is not None
    assert small + 60_000_000 < grown < small + 180_000_000
    rig.ended(rig.queue.add("grows", {"bytes": 1, "child": True}))
    assert peak_of(bytes=1, die=True) is None  # nobody knows: its worker's child had more


@pytest.mark.parametrize("what", ["log", "/.spools/"])
def test_a_descriptor_that_a_handler_took_over_is_let_alone(
    what: str, make_rig: MakeRig
) -> None:
    rig = make_rig(HANDLERS)
    rig.start("--concurrency", "1")
    ids = [rig.queue.add("takes-over", data) for data in ({"what": what}, {"write": True})]
    for job in rig.queue.wait(ids, 10):
        assert job.status is Status.COMPLETED, job.error
        assert [line.split()[-1] for line in lines_of(rig, job.id)[1:]] == ["before", "after"]
    warm(rig, "say")
    short = rig.queue.add("say", {"n": 7})
    rig.ended(short)
    assert lines_of(rig, short)[1].endswith("said 7")
    assert (rig.folder / "precious").read_bytes() == b"mine\nstill mine\n"


def test_a_child_that_comes_back_from_a_handler_ends_nothing(tmp_path: Path) -> None:
    from jobctl.runtime.joblog import Output
    from jobctl.runtime.usage import Meter
    from tests.helpers import NOON

    worker = os.fork()
    if worker == 0:
        output = Output(str(tmp_path), 1 << 20)
        output.begin("a", 1, NOON, Meter(), alone=False)
        print("parent")
        if os.fork() == 0:
            output.end(1.0)
            os._exit(0)
        os.wait()
        print("parent again")
        output.end(1.0)
        output.close(in_order=True)
        os._exit(0)
    assert os.waitpid(worker, 0)[1] == 0
    text = (tmp_path / "a.log").read_text()
    assert text.count("--- attempt") == 1
    assert [line.split(" ", 2)[-1] for line in text.splitlines()[1:]] == [
        "parent",
        "parent again",
    ]


def test_a_short_job_without_output_has_no_log(
    tmp_path: Path,
) -> None:
    from jobctl.runtime.joblog import Output
    from jobctl.runtime.usage import Meter
    from tests.helpers import NOON

    worker = os.fork()
    if worker == 0:
        output = Output(str(tmp_path), 1 << 20)
        for job_id, text in (("a", ""), ("b", "said"), ("c", ""), ("d", "too")):
            output.begin(job_id, 1, NOON, Meter(), alone=False)
            os.write(1, text.encode())
            assert output.end(0.0) is bool(text)
        output.close(in_order=True)
        os._exit(0)
    assert os.waitpid(worker, 0)[1] == 0
    assert sorted(log.name for log in tmp_path.glob("*.log")) == ["b.log", "d.log"]
    assert (tmp_path / "d.log").read_text().endswith("too")
