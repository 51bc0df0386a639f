"""What a handler may do to its worker, and what has to come of it: the table itself.

rows.py plays it, verdict.py judges it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from jobctl.core.job import Outcome, Status

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
