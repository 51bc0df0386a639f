"""Pausing and resuming over HTTP."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import get, post
from litestar.params import RawBody
from msgspec import Meta

from jobctl.services.pausing import Pause
from jobctl.web import asked
from jobctl.web.backend import Services
from jobctl.web.docs import route
from jobctl.web.records import Name


class Whose(msgspec.Struct, forbid_unknown_fields=True):
    """The name of the jobs; null, or none at all, for all jobs."""

    name: Annotated[Name, Meta(examples=["send-email"])] | None = None


class Paused(msgspec.Struct):
    """What rests now: all jobs (a name of null) first, then by name."""

    paused: list[Pause]


@route(get, "/api/admin/paused", "What is paused, and since when.", Paused)
def paused(backend: Services) -> Paused:
    return Paused(backend.queue.paused())


@route(
    post,
    "/api/admin/pause",
    "Let the jobs of a name rest, or all; what runs goes on.",
    Paused,
    body=Whose,
    example={"name": "send-email"},
)
def pause(body: RawBody, backend: Services) -> Paused:
    backend.queue.pause(asked.body(body, Whose).name)
    return Paused(backend.queue.paused())


@route(
    post,
    "/api/admin/resume",
    "End the pause of a name, or every pause.",
    Paused,
    body=Whose,
    example={"name": "send-email"},
)
def resume(body: RawBody, backend: Services) -> Paused:
    backend.queue.resume(asked.body(body, Whose).name)
    return Paused(backend.queue.paused())


ROUTES = [paused, pause, resume]
