"""What the tests of the examples share: calling a handler as a worker does, and servers."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from jobctl.core.data import plain
from jobctl.runtime import handlers
from tests.examples.servers import AnyPort, Inbox, Receiver, serve
from tests.helpers import make_job

#: What the receiver of webhooks shares with their sender.
KEY = b"k" * 24

#: Runs the handler of a name, with an id and data.
RunJob = Callable[..., Any]


@pytest.fixture
def run_job() -> RunJob:
    """Call the handler of a job, and return its result as the record would have it."""

    def run(name: str, data: Any, job_id: str = "job1") -> Any:
        found = handlers.handler_of(name)
        # What a worker gets went through JSON on its way.
        stored = plain(data, "data", 1 << 20)
        result = found.call(make_job(job_id, name=name, data=stored))
        return msgspec.to_builtins(result)

    return run


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def smtp(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[AnyPort]:
    """A plain server, and the environment that leads to it."""
    for server in serve(inbox):
        monkeypatch.setenv("SMTP_HOST", "127.0.0.1")
        monkeypatch.setenv("SMTP_PORT", str(server.port))
        monkeypatch.setenv("MAIL_FROM", "Shop <shop@example.org>")
        for name in ("SMTP_TLS", "SMTP_USER", "SMTP_PASSWORD"):
            monkeypatch.delenv(name, raising=False)
        yield server


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setenv("WEBHOOK_SECRET", f"whsec_{base64.b64encode(KEY).decode()}")
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    thread.join()
    server.server_close()
