"""What is said when a request is refused: problem documents, as RFC 9457 has them."""

from __future__ import annotations

from http import HTTPStatus

import msgspec

from jobctl.errors import Conflict, InvalidJob, JobctlError, NotFound
from jobctl.web.wire import Headers

MEDIA_TYPE = "application/problem+json"


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """A problem document: `title` says what kind of thing went wrong, `detail` which."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str


class Refused(Exception):
    """A request that is answered with a problem; `headers` go with it."""

    def __init__(self, status: int, detail: str, headers: Headers = ()) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers

    def problem(self) -> Problem:
        """Return the document."""
        phrase = HTTPStatus(self.status).phrase
        return Problem(title=phrase, status=self.status, detail=self.detail)


def refusal(err: JobctlError) -> Refused:
    """Return what an error of a service comes to over HTTP."""
    if isinstance(err, NotFound):
        return Refused(404, str(err))
    if isinstance(err, Conflict):
        return Refused(409, str(err))
    if isinstance(err, InvalidJob):
        return Refused(422, str(err))
    # The rest is about this machine: the store, its configuration.
    return Refused(503, str(err), [(b"retry-after", b"5")])
