"""Adding a job over HTTP."""

from __future__ import annotations

import os
from typing import Any

from litestar import Response, post
from litestar.params import RawBody

from jobctl.core.options import OPTIONS
from jobctl.core.shell import kept
from jobctl.errors import InvalidJob
from jobctl.services.adding import Added
from jobctl.web import asked, records
from jobctl.web.backend import Backend, Services
from jobctl.web.docs import route
from jobctl.web.jobs import ROOT
from jobctl.web.problems import Refused


@route(
    post,
    ROOT,
    "Add a job. It is durable when this answers.",
    records.JobRecord,
    status=201,
    body=records.NewJob,
    example={"name": "send-email", "data": {"to": "ann@example.com"}, "priority": 5},
    also={200: "A job with that id is there and was kept."},
    errors={
        403: "Shell jobs are not allowed.",
        404: "A job of `after` is not there.",
        409: "The id is taken (`if_exists` error), or its job is running (replace).",
        429: "Too many were added: [dashboard] add_rate.",
    },
    headers={"Location": "Where the job is."},
)
def add_job(body: RawBody, backend: Services) -> Response[Any]:
    new = asked.body(body, records.NewJob)
    wait = backend.may_add()
    if wait:
        raise Refused(
            429,
            f"too many jobs were added: try again in {wait} s",
            [(b"retry-after", str(wait).encode())],
        )
    added = _add(new, backend)
    return Response(
        backend.record(added.job),
        status_code=201 if added.created else 200,
        headers={"Location": f"{ROOT}/{added.id}"},
    )


def _add(new: records.NewJob, backend: Backend) -> Added:
    given = {name: getattr(new, name) for name in OPTIONS}
    options = {name: value for name, value in given.items() if value is not None}
    if new.shell is None:
        if new.name is None:
            raise InvalidJob("name is missing: say which handler runs the job")
        if new.cwd is not None or new.env is not None:
            raise InvalidJob("cwd and env go with a command: give `shell` too")
        return backend.queue.add(new.name, new.data, options)
    if not backend.config.dashboard.get("allow_shell", False):
        raise Refused(403, "shell jobs are not allowed here: [dashboard] allow_shell is off")
    return backend.queue.add_shell(
        new.shell,
        options,
        name=new.name,
        cwd=new.cwd or str(backend.config.folder),
        env={**kept(os.environ), **(new.env or {})},
    )


ROUTES = [add_job]
