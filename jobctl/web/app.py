"""The application: the routes, what becomes of errors, and the gate before all of it."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Collection
from typing import cast

from litestar import Litestar, Response
from litestar.di import Provide
from litestar.exceptions import HTTPException

from jobctl.core.text import clean
from jobctl.errors import JobctlError
from jobctl.web import (
    adding,
    events,
    jobs,
    logs,
    overview,
    pages,
    pausing,
    schedules,
    several,
    system,
)
from jobctl.web.asked import AnyRequest
from jobctl.web.backend import Backend
from jobctl.web.gate import Gate
from jobctl.web.problems import MEDIA_TYPE, Problem, Refused, refusal
from jobctl.web.wire import App

#: Bytes of a request beside the job's data.
ENVELOPE = 64 * 1024


def build(backend: Backend, token: str, hosts: Collection[str]) -> Gate:
    """Return the application as a server runs it."""
    app = Litestar(
        [
            *jobs.ROUTES,
            *adding.ROUTES,
            *several.ROUTES,
            *logs.ROUTES,
            *events.ROUTES,
            *schedules.ROUTES,
            *overview.ROUTES,
            *pausing.ROUTES,
            *system.ROUTES,
            *pages.ROUTES,
        ],
        dependencies={"backend": Provide(lambda: backend, sync_to_thread=False)},
        exception_handlers={
            Refused: _on_refused,
            JobctlError: _on_error,
            HTTPException: _on_http,
            Exception: _on_bug,
        },
        openapi_config=None,
        logging_config=None,
        request_max_body_size=None,  # the gate has a limit
    )
    return Gate(
        cast(App, app),
        backend.clock,
        token=token,
        max_body=backend.config.run.max_data + ENVELOPE,
        hosts=hosts,
    )


def _on_refused(request: AnyRequest, err: Refused) -> Response[Problem]:
    headers = {name.decode(): value.decode() for name, value in err.headers}
    return Response(
        err.problem(), status_code=err.status, media_type=MEDIA_TYPE, headers=headers
    )


def _on_error(request: AnyRequest, err: JobctlError) -> Response[Problem]:
    return _on_refused(request, refusal(err))


def _on_http(request: AnyRequest, err: HTTPException) -> Response[Problem]:
    said = {404: "there is nothing of that name", 405: "this cannot be done here"}
    headers = [(k.lower().encode(), v.encode()) for k, v in (err.headers or {}).items()]
    detail = said.get(err.status_code, err.detail)
    return _on_refused(request, Refused(err.status_code, detail, headers))


def _on_bug(request: AnyRequest, err: Exception) -> Response[Problem]:
    text = "".join(traceback.format_exception(err))
    sys.stderr.write(clean(text, lines=True))
    return _on_refused(
        request, Refused(500, "this is a bug in jobctl; standard error has more")
    )
