"""The event stream: a client is told at once which jobs have changed, and how many there are
of each status now. What they are he asks for himself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from litestar import get
from litestar.response import Stream

from jobctl.errors import StoreError
from jobctl.web.backend import Backend, Services
from jobctl.web.docs import doc
from jobctl.web.problems import Refused, refusal

#: Seconds between two looks at the store.
LOOK = 0.5
#: Seconds after which a stream says that it is still there.
HEARTBEAT = 15.0
#: Ids that one event tells of at most.
IDS = 100
#: Streams at a time.
MOST = 32


@get(
    "/api/admin/events",
    opt=doc(
        "A stream of server-sent events. Whenever anything was written: `counts`, the jobs of "
        "each status, and `jobs`, the ids of those that changed, came or went (null if they "
        "are many). And `problem`, when the store cannot be read.",
        str,
        media="text/event-stream",
        answer='event: counts\ndata: {"pending":1,"running":0,...}\n\n'
        'event: jobs\ndata: {"ids":["k3v9x0q2m4n6p8r1"]}\n\n',
        errors={429: "Too many streams are open."},
    ),
)
async def events(backend: Services) -> Stream:
    if backend.streams >= MOST:
        raise Refused(429, f"{MOST} streams are open already", [(b"retry-after", b"30")])
    return Stream(_stream(backend), media_type="text/event-stream")


async def _stream(backend: Backend) -> AsyncIterator[str]:
    backend.streams += 1
    seen: object = None
    quiet = 0.0
    try:
        yield "retry: 2000\n\n"
        while not backend.closing.is_set():
            now, event = await asyncio.to_thread(_look, backend, seen)
            if event:
                seen, quiet = now, 0.0
                yield event
            elif quiet >= HEARTBEAT:
                quiet = 0.0
                yield ": still here\n\n"
            await asyncio.sleep(LOOK)
            quiet += LOOK
    finally:
        backend.streams -= 1


def _look(backend: Backend, seen: object) -> tuple[object, str]:
    """Return what the store is at, and the events that tell of it, empty if it is `seen`."""
    try:
        version = ("version", backend.store.version())
        if version == seen:
            return version, ""
        ids = backend.store.changed(seen[1], IDS) if isinstance(seen, tuple) else None
        counts = _event("counts", backend.queue.stats().as_dict())
        return version, counts + _event("jobs", {"ids": ids})
    except StoreError as err:
        text = _event("problem", refusal(err).problem())
        return text, "" if text == seen else text


def _event(name: str, value: Any) -> str:
    return f"event: {name}\ndata: {msgspec.json.encode(value).decode()}\n\n"


ROUTES = [events]
