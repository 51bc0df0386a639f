"""What `jobctl health` makes of a daemon that runs, that hangs, and that was killed."""

from __future__ import annotations

import signal
from typing import Any

from jobctl.clock import SystemClock
from jobctl.services.health import examine
from jobctl.stores.directory.store import DirectoryStore
from tests.runtime.rig import Rig


def failed(rig: Rig) -> list[str]:
    """Return the checks that find something wrong."""
    store = DirectoryStore(rig.folder / ".jobctl")
    try:
        health = examine(store, SystemClock().now(), patience=2.0)
    finally:
        store.close()
    names = [check.name for check in health.checks if not check.ok]
    assert health.healthy is (not names)
    return names


def test_a_loop_that_hangs_is_told_from_a_daemon_that_is_gone(make_rig: Any) -> None:
    rig = make_rig()
    daemon = rig.start()
    assert failed(rig) == []
    job_id = rig.queue.add("sleep", {"seconds": 60})
    rig.running(job_id)
    assert failed(rig) == []  # busy is not stuck
    daemon.send_signal(signal.SIGSTOP)
    assert failed(rig) == ["loop"]
    daemon.send_signal(signal.SIGCONT)
    assert failed(rig) == []
    rig.kill(daemon)
    assert failed(rig) == ["daemon"]
