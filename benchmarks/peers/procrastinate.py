"""Procrastinate on PostgreSQL: coroutines; a function that is none runs in a thread."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from procrastinate import App, PsycopgConnector, SyncPsycopgConnector

from benchmarks.peers.peer import Peer, Work
from benchmarks.peers.protocol import here, script, speak
from benchmarks.peers.services import postgres
from benchmarks.peers.work import awork, work


def connect(connector: Any) -> tuple[Any, Any, Any]:
    """Return the app, the task and the asynchronous one."""
    app = App(connector=connector)
    return app, app.task(name="work")(work), app.task(name="awork")(awork)


if here():
    app, *_ = connect(PsycopgConnector(conninfo=os.environ["BENCH_PG"]))


class Procrastinate(Peer):
    """One worker process with many jobs at once; adds wake it by NOTIFY."""

    @contextmanager
    def serve(self) -> Iterator[None]:
        with postgres(self.folder) as (self.server, self.conninfo):
            os.environ["BENCH_PG"] = self.conninfo
            with connect(SyncPsycopgConnector(conninfo=self.conninfo))[0].open() as app:
                app.schema_manager.apply_schema()
                found = app.connector.execute_query_one("show synchronous_commit")
                self.must_be("synchronous_commit", found["synchronous_commit"], "on")
            yield

    def open(self) -> None:
        connector = SyncPsycopgConnector(conninfo=self.conninfo)
        self.app, self.task, self.coroutine = connect(connector)
        self.app.open()

    def add(self, job: Work, *, asynchronous: bool = False) -> object:
        return (self.coroutine if asynchronous else self.task).defer(**job)

    def add_many(self, jobs: Sequence[Work], *, asynchronous: bool = False) -> object:
        return (self.coroutine if asynchronous else self.task).batch_defer(*jobs)

    def workers(self, concurrency: int, *, asynchronous: bool = False) -> list[list[str]]:
        app = ["--app", "benchmarks.peers.procrastinate.app"]
        return [[script("procrastinate"), *app, "worker", "-c", str(concurrency)]]


if __name__ == "__main__":
    speak(Procrastinate, ["default"])
