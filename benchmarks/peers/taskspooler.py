"""task-spooler: commands alone, and a queue in the memory of a server."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from benchmarks.peers.peer import NotThereError, Peer, Work
from benchmarks.peers.protocol import speak


class Taskspooler(Peer):
    """Its server runs commands as they come, so two that wait for a sign hold it up."""

    @contextmanager
    def serve(self) -> Iterator[None]:
        if shutil.which("tsp") is None:
            raise NotThereError("task-spooler is not installed")
        os.environ["TS_SOCKET"] = str(self.folder / "tsp")
        os.environ["TS_MAXFINISHED"] = "10"
        yield
        subprocess.run(["tsp", "-K"], check=False)

    def open(self) -> None:
        os.mkfifo(self.folder / "sign")

    def add(self, job: Work, *, asynchronous: bool = False) -> object:
        raise NotThereError("it runs commands alone")

    def workers(self, concurrency: int, *, asynchronous: bool = False) -> list[list[str]]:
        """Return what gives the sign."""
        raise NotThereError("its server is its worker")

    def add_commands(self, line: Sequence[str], count: int) -> None:
        subprocess.run(["tsp", "-S", "2"], check=True)
        hold = ["sh", "-c", f"read _ < {self.folder}/sign"]
        for command in [hold, hold, *[line] * count]:
            subprocess.run(["tsp", "-n", *command], check=True, stdout=subprocess.DEVNULL)

    @contextmanager
    def commands_run(self) -> Iterator[None]:
        (self.folder / "sign").write_text("1\n2\n")
        yield


if __name__ == "__main__":
    speak(Taskspooler, ["default"])
