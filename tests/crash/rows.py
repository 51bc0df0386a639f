"""Plays the table of misbehaviour: `python -m tests.crash.rows` prints it as Markdown.

Each row is played by a real daemon; test_rows.py fails where verdict.py finds a fault.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from jobctl.core.job import Status
from tests.crash.cgroups import memory_cgroup
from tests.crash.table import CONFIG, MIB, OOM, ROWS, Row
from tests.crash.verdict import Seen, faults
from tests.helpers import ROOT, eventually
from tests.runtime.rig import Rig, alive, clock


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
