"""The log of a job over HTTP: whole, or from a byte on (RFC 9110, section 14)."""

from __future__ import annotations

import re

from litestar import Response, get
from litestar.params import FromPath

from jobctl.errors import StoreError
from jobctl.web.asked import AnyRequest
from jobctl.web.backend import Services
from jobctl.web.docs import NO_JOB, route
from jobctl.web.jobs import ROOT
from jobctl.web.problems import Refused

_MEDIA = "text/plain"
_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})", re.ASCII)


@route(
    get,
    f"{ROOT}/{{job_id:str}}/log",
    "What the handlers of a job have written so far; empty if nothing. `Range: "
    "bytes=N-` asks for what came after N bytes.",
    str,
    media=_MEDIA,
    also={206: "The bytes that were asked for."},
    errors={**NO_JOB, 416: "The log has no such bytes (yet, or any more)."},
    headers={"Accept-Ranges": "bytes"},
)
def read_log(request: AnyRequest, job_id: FromPath[str], backend: Services) -> Response[bytes]:
    job = backend.required(job_id)
    try:
        content = b"".join(backend.queue.log(job.id, once=True).more())
    except OSError as err:
        raise StoreError(f"the log of job {job.id} cannot be read: {err.strerror}") from err
    size = len(content)
    part = _part(request.headers.get("range"), size)
    headers = {"Accept-Ranges": "bytes"}
    if part is not None:
        headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
        content = content[part.start : part.stop]
    return Response(
        content,
        status_code=200 if part is None else 206,
        media_type=_MEDIA,
        headers=headers,
    )


def _part(header: str | None, size: int) -> range | None:
    """Return the bytes that a Range asks for, None for all.

    What is no single range of bytes is passed over, as the RFC lets a server do.
    """
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or match[1] == match[2] == "":
        return None
    first, last = match[1], match[2]
    if first == "":
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), min(size, int(last) + 1 if last else size)
        if last and int(last) < start:
            return None
    if start >= stop:
        raise Refused(
            416, f"the log has {size} bytes", [(b"content-range", f"bytes */{size}".encode())]
        )
    return range(start, stop)


ROUTES = [read_log]
