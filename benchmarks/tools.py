"""The tools that are compared, each at its settings, and what may be expected of it."""

from __future__ import annotations

from typing import NamedTuple


class Tool(NamedTuple):
    """A tool at one setting: a row of the tables.

    `adds` and `drains` are about how many jobs a second it does: they make each measurement
    take as long for a slow tool as for a fast one; 0 says that it does not do that. `brief`
    leaves the less telling ones out.
    """

    name: str
    module: str
    setting: str
    adds: int
    drains: int
    survives: str
    runs: str
    brief: bool = False

    @property
    def ours(self) -> bool:
        """Whether it needs nothing but this project."""
        return self.module in ("jobctl", "bare")


POWER = "a power cut"
SECOND = "kill -9; a power cut takes up to a second"
KILL = "kill -9; a power cut takes the last ones"
LOST = "a job that is running when its worker dies is lost"

JOBCTL = "jobctl"
BARE = "append + fdatasync"
HUEY_FULL = "huey, SqliteHuey full, threads"

TOOLS = [
    Tool(JOBCTL, "jobctl", "default", 4000, 10_000, POWER,
         "a process for each handler at a time, from a fork server; recovered when killed"),
    Tool(BARE, "bare", "default", 5000, 15_000, POWER,
         "a process for each job at a time, from a bare loop: the limit of Python"),
    Tool(HUEY_FULL, "huey", "sqlite full thread", 2000, 1500, POWER,
         f"threads of one process, polling every 10 ms; {LOST}"),
    Tool("huey, SqliteHuey full, processes", "huey", "sqlite full process", 2000, 800, POWER,
         f"processes, polling every 10 ms; {LOST}", True),
    Tool("huey, SqliteHuey off", "huey", "sqlite off thread", 10_000, 4000, KILL,
         f"threads of one process, polling every 10 ms; {LOST}", True),
    Tool("huey, FileHuey", "huey", "files thread", 8000, 800, KILL,
         f"threads of one process, polling every 10 ms; {LOST}", True),
    Tool("litequeue", "litequeue", "default", 15_000, 8000, KILL,
         "a loop of ours in processes, polling every 5 ms; recovery is the caller's"),
    Tool("persist-queue, SQLiteAckQueue", "persistqueue", "default", 2000, 800, POWER,
         "a loop of ours in threads of one process, polling every 5 ms"),
    Tool("RQ, fork, always", "rq", "always fork", 1500, 60, POWER,
         "a fork for each job"),
    Tool("RQ, simple, always", "rq", "always simple", 1500, 400, POWER,
         "in the worker process: one that dies takes it along", True),
    Tool("RQ, simple, everysec", "rq", "everysec simple", 2500, 600, SECOND,
         "in the worker process: one that dies takes it along", True),
    Tool("Dramatiq, always", "dramatiq", "always", 2000, 800, POWER,
         "2 processes, the rest threads of theirs"),
    Tool("Dramatiq, everysec", "dramatiq", "everysec", 3000, 1500, SECOND,
         "2 processes, the rest threads of theirs", True),
    Tool("Celery, always, prefork", "celery", "always late prefork", 800, 500, POWER,
         "prefork processes, acks_late"),
    Tool("Celery, everysec, threads", "celery", "everysec early threads", 1000, 900, SECOND,
         f"threads of one process, acks early, its default: {LOST}", True),
    Tool("SAQ, always", "saq", "always", 1500, 500, POWER,
         "coroutines of one process; plain functions in threads"),
    Tool("SAQ, everysec", "saq", "everysec", 2500, 800, SECOND,
         "coroutines of one process; plain functions in threads", True),
    Tool("Procrastinate, PostgreSQL", "procrastinate", "default", 800, 200, POWER,
         "coroutines of one process; plain functions in threads; synchronous_commit on"),
    Tool("task-spooler", "taskspooler", "default", 0, 0, "nothing: its queue is in memory",
         "commands alone, each a process"),
]  # fmt: skip


def chosen(peers: str) -> list[Tool]:
    """Return jobctl, the bare calls and the peers that are named: `all`, `none`, `huey,rq`.

    Raises ValueError for one that is not there.
    """
    names = set(peers.split(","))
    known = {tool.module for tool in TOOLS if not tool.ours}
    if unknown := names - known - {"all", "none"}:
        raise ValueError(f"no such peer: {', '.join(unknown)}; there are {', '.join(known)}")
    return [tool for tool in TOOLS if tool.ours or "all" in names or tool.module in names]
