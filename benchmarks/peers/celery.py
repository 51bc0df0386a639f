"""Celery: pools of processes or threads; a job is acknowledged early, the default, or late."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from celery import Celery as App

from benchmarks.peers.onredis import OnRedis, socket
from benchmarks.peers.peer import Work
from benchmarks.peers.protocol import here, script, speak
from benchmarks.peers.work import work

#: Jobs that a worker process fetches ahead: celery's guide has 50 to 150 for short ones.
AHEAD = "64"


def connect(setting: str, folder: Path) -> tuple[Any, Any]:
    """Return the app and its task."""
    app: Any = App("bench", broker=f"redis+socket://{socket(folder)}")
    app.conf.update(
        task_acks_late="late" in setting,
        task_ignore_result=True,
        broker_connection_retry_on_startup=True,
        worker_hijack_root_logger=False,
    )
    return app, app.task(name="work")(work)


if place := here():
    app, _ = connect(*place)


class Celery(OnRedis):
    """Workers are processes (prefork) or threads, as the setting ends."""

    def open(self) -> None:
        self.app, self.task = connect(self.setting, self.folder)
        # One for all adds: without it each takes one from a pool and gives it back.
        self.producer = self.app.amqp.producer_pool.acquire()

    def add(self, job: Work, *, asynchronous: bool = False) -> object:
        return self.task.apply_async(kwargs=job, retry=False, producer=self.producer)

    def workers(self, concurrency: int, *, asynchronous: bool = False) -> list[list[str]]:
        self.no_coroutines(asynchronous)
        pool = [
            "-P",
            self.setting.split()[-1],
            "-c",
            str(concurrency),
            "--prefetch-multiplier",
            AHEAD,
        ]
        flags = ["--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "ERROR"]
        return [
            [script("celery"), "-A", "benchmarks.peers.celery:app", "worker", *pool, *flags]
        ]


if __name__ == "__main__":
    speak(Celery, ["always late prefork", "everysec early threads"])
