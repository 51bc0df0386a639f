"""huey on SQLite and on files. It takes a job out before it runs it: one that dies is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from huey import FileHuey, SqliteHuey

from benchmarks.peers.peer import Peer, Work
from benchmarks.peers.protocol import here, script, speak
from benchmarks.peers.work import work

#: Seconds between two looks of an idle worker: nothing else wakes one.
POLL = "0.01"


def connect(setting: str, folder: Path) -> tuple[Any, Any]:
    """Return the queue and its task."""
    queue: Any
    if "files" in setting:
        queue = FileHuey("bench", path=str(folder / "files"), results=False)
    else:
        fsync = "full" in setting
        path = str(folder / "huey.db")
        queue = SqliteHuey("bench", filename=path, fsync=fsync, timeout=60, results=False)
    return queue, queue.task()(work)


if place := here():
    app, _ = connect(*place)


class Huey(Peer):
    """Workers are threads or processes, as the setting ends."""

    def open(self) -> None:
        self.queue, self.task = connect(self.setting, self.folder)
        if "sqlite" in self.setting:
            ((found,),) = self.queue.storage.sql("pragma synchronous", results=True)
            self.must_be("PRAGMA synchronous", found, 2 if "full" in self.setting else 0)

    def add(self, job: Work, *, asynchronous: bool = False) -> object:
        return self.task(**job)

    def workers(self, concurrency: int, *, asynchronous: bool = False) -> list[list[str]]:
        self.no_coroutines(asynchronous)
        kind = ["-k", self.setting.split()[-1], "-w", str(concurrency)]
        flags = ["-d", POLL, "-m", POLL, "-n", "-q"]
        return [[script("huey_consumer"), "benchmarks.peers.huey.app", *kind, *flags]]


if __name__ == "__main__":
    speak(
        Huey, ["sqlite full thread", "sqlite full process", "sqlite off thread", "files thread"]
    )
