"""The table of what a handler may do to its worker, and what has to come of it.

Each row is played by a real daemon: `python -m tests.crash.rows` prints what was seen as
Markdown, and test_rows.py judges it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

from jobctl.core.job import Attempt, Job, Outcome, Status
from tests.helpers import eventually
from tests.runtime.rig import ROOT, Rig, alive, clock

MIB = 1 << 20
#: How long a handler has, and how much longer one that does not listen.
TIMEOUT, KILL_AFTER = 0.3, 0.3
CONFIG = f"""
[run]
handlers = ["handlers"]
concurrency = 2
timeout = "60s"
kill_after = {KILL_AFTER}
max_retries = 0
backoff = {{ base = "10ms", jitter = 0.0 }}
"""
#: Seconds that a busy machine may take beyond what a row needs.
SLACK = 3.0


@dataclass(frozen=True)
class Row:
    """One thing that a handler does, and how it has to end.

    `takes` is how many seconds the last attempt lasts at least. `fresh` says that its worker
    does not outlive it. `before` are jobs that run first, in the same worker. `peak` are the
    bounds of the attempt's max_rss in MiB; None if there was no attempt.
    """

    what: str
    handler: str
    outcome: Outcome | None
    status: Status = Status.FAILED
    signal: str | None = None
    code: int | None = None
    error: str | None = None
    says: str = ""
    takes: float = 0.0
    attempts: int = 1
    crashes: int = 0
    fresh: bool = False
    cancel: str = ""  # "pending", "running", "wait"
    options: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    before: tuple[tuple[str, dict[str, Any]], ...] = ()
    peak: tuple[int, int] = (5, 120)


def _timeout(what: str, handler: str, **rest: Any) -> Row:
    options = {"timeout": TIMEOUT}
    rest = {"takes": TIMEOUT, "error": "JobTimeout", **rest}
    return Row(what, handler, Outcome.TIMEOUT, options=options, **rest)


def _killed(what: str, handler: str) -> Row:
    takes = TIMEOUT + KILL_AFTER
    return _timeout(what, handler, takes=takes, signal="SIGKILL", fresh=True)


def _cancelled(what: str, handler: str, cancel: str = "running", **rest: Any) -> Row:
    return Row(what, handler, Outcome.CANCELLED, Status.CANCELLED, cancel=cancel, **rest)


def _crash(what: str, handler: str, **rest: Any) -> Row:
    return Row(
        what,
        handler,
        Outcome.CRASHED,
        fresh=True,
        **{"error": "WorkerCrashed", "crashes": 1, "attempts": 1, **rest},
    )


def _done(what: str, handler: str, **rest: Any) -> Row:
    return Row(what, handler, Outcome.COMPLETED, Status.COMPLETED, **rest)


_BIG = ("big", {"mib": 200})
_SWALLOWS: dict[str, Any] = {"signal": "SIGKILL", "takes": KILL_AFTER, "fresh": True}
OOM = _crash(
    "takes more memory than its cgroup has",
    "hungry",
    signal="SIGKILL",
    says="memory ran out",
    peak=(20, 200),
)
ROWS = (
    _timeout("a tight loop, to its timeout", "spin"),
    _timeout("time.sleep, to its timeout", "sleep"),
    _timeout("reads a socket that stays silent, to its timeout", "read-socket"),
    _timeout("awaits something, to its timeout", "async-sleep"),
    _timeout("a regular expression that explodes, to its timeout", "regex"),
    _killed("swallows the exception", "swallow"),
    _killed("swallows asyncio's cancellation", "async-swallow"),
    _killed("blocks all signals", "block-signals"),
    _killed("a C function that never comes back", "c-loop"),
    _killed("waits in C for a lock, whatever signals come", "c-lock"),
    _killed("swallows it with children, one in a session of its own", "tree-swallow"),
    _crash("os._exit(0) with children, one in a session of its own", "tree-exit", code=0),
    _cancelled("waits, and is cancelled", "sleep", "pending", options={"delay": 3600.0}),
    _cancelled("sleeps, and is cancelled", "sleep"),
    _cancelled("awaits something, and is cancelled", "async-sleep"),
    _cancelled("is cancelled and swallows it", "swallow", **_SWALLOWS),
    _cancelled("is cancelled with --wait and swallows it", "swallow", "wait", **_SWALLOWS),
    _crash("segfault", "segfault", signal="SIGSEGV"),
    _crash(
        "segfault, with ten retries",
        "segfault-again",
        signal="SIGSEGV",
        attempts=3,
        crashes=3,
        options={"max_retries": 10},
    ),
    _crash("os._exit(0)", "os-exit", code=0),
    Row("sys.exit(3)", "sys-exit", Outcome.ERROR, error="SystemExit"),
    _crash("SIGKILL of itself", "kill-me", signal="SIGKILL", says="in the handler"),
    Row("MemoryError", "memory-error", Outcome.ERROR, error="MemoryError"),
    _crash("closes all file descriptors", "close-all", code=1),
    _crash("writes into all file descriptors", "scribble", signal="SIGKILL"),
    _done("forks, and its child comes back", "fork-returns"),
    _done("forks, and its child leaves with sys.exit", "fork-exits"),
    _done("changes working directory, locale and signals", "change-place"),
    _done("removes its working directory", "remove-place"),
    _done("prints 8 MiB without a newline", "print-megabytes"),
    _done("uses 200 MiB", "big", data={"mib": 200}, peak=(200, 400)),
    _done("is small, after one of 200 MiB in its worker", "small", before=(_BIG,)),
    _crash("crashes, after one of 200 MiB", "crash-small", before=(_BIG,), code=1),
    _crash(
        "is short, and crashes after one of 200 MiB",
        "quick",
        data={"crash": True},
        before=(*[("quick", {})] * 5, _BIG),
        code=1,
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Seen:
    """What a row came to: the job, seconds, and those who had nothing to do with it.

    `worker` is the process of its last attempt, `left` what it started and was there still
    when its end was known.
    """

    job: Job[Any]
    seconds: float
    worker: int | None
    left: list[int]
    beside: Job[Any]
    after: Job[Any]

    @property
    def attempt(self) -> Attempt | None:
        """The last attempt, None if there was none."""
        return self.job.history[-1] if self.job.history else None

    @property
    def lasted(self) -> float:
        """How many seconds the last attempt took."""
        last = self.attempt
        if last is None or last.started_at is None or last.finished_at is None:
            return 0.0
        return (last.finished_at - last.started_at).total_seconds()


def play(rig: Rig, row: Row) -> Seen:
    """Let a daemon with two places run a row, and an innocent job beside and after it."""
    beside = rig.queue.add("beside")
    rig.running(beside)
    for name, data in row.before:
        assert rig.ended(rig.queue.add(name, data)).status is Status.COMPLETED
    start = clock()
    job_id = rig.queue.add(row.handler, row.data, **row.options)
    if row.cancel:
        if row.cancel != "pending":
            rig.running(job_id)
        start = clock()
        _cancel(rig, row, job_id)
    job = rig.ended(job_id, 20)
    seconds = clock() - start
    began = rig.pids(f"began-{job_id}")
    left = [pid for pid in rig.pids(f"tree-{job_id}") if alive(pid)]
    after = rig.ended(rig.queue.add("after"), 20)
    (rig.folder / f"go-{beside}").touch()
    seen = Seen(job, seconds, began[-1] if began else None, left, rig.ended(beside, 20), after)
    return seen


def _cancel(rig: Rig, row: Row, job_id: str) -> None:
    if row.cancel != "wait":
        rig.queue.cancel(job_id)
        return
    command = [sys.executable, "-P", "-m", "jobctl", "cancel", job_id, "--wait"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=rig.folder, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert rig.get(job_id).status is Status.CANCELLED, "it returned too early"


def faults(row: Row, seen: Seen) -> list[str]:
    """Return what is not as the row has it, one sentence each."""
    return [*_job_faults(row, seen), *_attempt_faults(row, seen), *_other_faults(row, seen)]


def _differences(wanted: dict[str, tuple[Any, Any]]) -> list[str]:
    return [
        f"{name} is {is_!r}, not {must!r}"
        for name, (is_, must) in wanted.items()
        if is_ != must
    ]


def _job_faults(row: Row, seen: Seen) -> list[str]:
    job = seen.job
    found = _differences(
        {
            "status": (job.status, row.status),
            "attempts": (job.attempts, row.attempts if row.cancel != "pending" else 0),
            "crashes": (job.crashes, row.crashes),
            "error": (job.error.type if job.error else None, row.error),
            "left running": (seen.left, []),
        }
    )
    if row is not OOM and job.error is not None and OOM.says in job.error.message:
        found.append("the error speaks of memory that has not run out")
    if row.says and (job.error is None or row.says not in job.error.message):
        found.append(f"the error does not say {row.says!r}: {job.error}")
    return found


def _attempt_faults(row: Row, seen: Seen) -> list[str]:
    if row.cancel == "pending":
        return _differences({"history": (seen.job.history, ())})
    last = seen.attempt
    if last is None:
        return ["no attempt was kept"]
    ended = (last.exit.signal, last.exit.code) if last.exit else (None, None)
    found = _differences(
        {
            "outcome": (last.outcome, row.outcome),
            "exit": (ended, (row.signal, row.code)),
            "worker": (last.worker, str(seen.worker)),
        }
    )
    if not row.takes <= seen.lasted <= row.takes + SLACK:
        found.append(f"it lasted {seen.lasted:.2f} s, not {row.takes:.2f} s")
    least, most = (size * MIB for size in row.peak)
    if last.max_rss is None or not least <= last.max_rss <= most:
        found.append(f"max_rss is {last.max_rss}, not between {least} and {most}")
    return [*found, *_later_faults(row, last)]


def _later_faults(row: Row, last: Attempt) -> list[str]:
    """Judge the fields that only records of newer daemons have: there, they must be filled."""
    found = []
    if "cpu_seconds" in Attempt.__struct_fields__:
        used = getattr(last, "cpu_seconds", None)
        busy = row.handler in ("spin", "c-loop")
        if used is None or used < (TIMEOUT / 4 if busy else 0):
            found.append(f"cpu_seconds is {used}")
    if "log_tail" in Attempt.__struct_fields__ and row.handler == "print-megabytes":
        if not getattr(last, "log_tail", None):
            found.append("log_tail is empty, although it printed something")
    return found


def _other_faults(row: Row, seen: Seen) -> list[str]:
    found = []
    for name, job in (("beside", seen.beside), ("after", seen.after)):
        story = [attempt.outcome for attempt in job.history]
        if (job.attempts, job.crashes, story) != (1, 0, [Outcome.COMPLETED]):
            found.append(f"the job {name} it was charged: {job.attempts}, {story}")
    mine, theirs = dict(seen.beside.result), dict(seen.after.result)
    if seen.worker is not None and (theirs["pid"] != seen.worker) is not row.fresh:
        found.append(f"the next job ran in {theirs['pid']}, after {seen.worker}")
    mine.pop("pid")
    theirs.pop("pid")
    return found + _differences({"what the next job finds": (theirs, mine)})


# -- to be read ----------------------------------------------------------------------------


def line(row: Row, seen: Seen) -> str:
    """Return a row of the table in Markdown."""
    last = seen.attempt
    ended = "no worker died"
    if last is not None and last.exit is not None:
        ended = last.exit.signal or f"exit code {last.exit.code}"
    peak = f"{last.max_rss / MIB:.0f} MiB" if last and last.max_rss else "-"
    error = f"{seen.job.error.type}: {seen.job.error.message}" if seen.job.error else "-"
    cells = (
        row.what,
        f"{seen.job.status}, {last.outcome if last else 'no attempt'}",
        ended,
        f"{seen.lasted:.2f} s",
        f"{seen.seconds:.2f} s",
        f"{seen.job.attempts} / {seen.job.crashes}",
        peak,
        error.splitlines()[0][:90],
        "; ".join(faults(row, seen)) or "as it must be; no other job charged",
    )
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


HEAD = (
    "| What the handler did | How it ended | Exit | Attempt lasted | Known after "
    "| Attempts / crashes | Peak | Error in the record | Verdict |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


def main() -> int:
    """Play all rows and print them; return 1 if one is not as it must be."""
    import tempfile
    from pathlib import Path

    from tests.crash.cgroups import memory_cgroup

    handlers = (Path(__file__).parent / "row_handlers.py").read_text()
    wrong = 0
    print(HEAD)
    with tempfile.TemporaryDirectory() as folder:
        rig = Rig(Path(folder) / "rig", handlers, CONFIG)
        rig.start()
        for row in ROWS:
            seen = play(rig, row)
            wrong += bool(faults(row, seen))
            print(line(row, seen), flush=True)
        rig.close()
        with memory_cgroup(150 * MIB) as group:
            if isinstance(group, str):
                print(f"\n{OOM.what}: not played, {group}")
                return 1
            rig = Rig(Path(folder) / "oom", handlers, CONFIG)
            rig.prefix = group.enter()
            rig.start()
            seen = play(rig, OOM)
            wrong += bool(faults(OOM, seen))
            print(line(OOM, seen))
            rig.close()
            eventually(group.empty)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
