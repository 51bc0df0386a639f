"""What monitors and programs ask: is it well, what does it count, what may be asked."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Response, get

from jobctl.web.asked import AnyRequest
from jobctl.web.backend import Services
from jobctl.web.docs import route
from jobctl.web.metrics import MEDIA_TYPE, exposition
from jobctl.web.openapi import document


class Well(msgspec.Struct):
    """That the store can be read."""

    status: str = "ok"


@route(get, "/healthz", "Whether the store can be read.", Well, public=True)
def healthz(backend: Services) -> Well:
    backend.queue.stats()
    return Well()


@route(get, "/metrics", "Figures for Prometheus.", str, media=MEDIA_TYPE)
def metrics(backend: Services) -> Response[str]:
    return Response(exposition(backend), media_type=MEDIA_TYPE)


@route(get, "/openapi.json", "This document.", Any)
def openapi(request: AnyRequest) -> dict[str, Any]:
    return document(request.app)


ROUTES = [healthz, metrics, openapi]
