"""What a route says of itself in /openapi.json; openapi.py makes the document of it.

That is all it takes to make one, beside its method and its path.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


class Doc(msgspec.Struct, frozen=True, kw_only=True):
    """One operation: what it does, what it takes, and all that it may answer.

    `query` and `body` are the types that a request is checked against, `gives` are those of
    the answer (none: no body). `also` are further good answers and `errors` the refusals,
    by status, that are not everybody's.
    """

    summary: str
    gives: tuple[Any, ...] = ()
    status: int = 200
    query: type[msgspec.Struct] | None = None
    body: type[msgspec.Struct] | None = None
    example: Any = None  # of the body
    answer: Any = None  # an example of the answer
    also: dict[int, str] = {}
    errors: dict[int, str] = {}
    media: str = "application/json"
    headers: dict[str, str] = {}
    public: bool = False  # it needs no token


def doc(summary: str, *gives: Any, **fields: Any) -> dict[str, Any]:
    """Return the option of a Litestar route that carries its Doc."""
    return {"doc": Doc(summary=summary, gives=gives, **fields)}


def route(kind: Callable[..., T], path: str, summary: str, *gives: Any, **fields: Any) -> T:
    """Return the decorator of a route that runs in a thread: of Litestar's get, post or delete.

    The rest is its Doc.
    """
    option = doc(summary, *gives, **fields)
    status = option["doc"].status
    return kind(path, status_code=status, sync_to_thread=True, opt=option)


NO_JOB = {404: "There is no such job."}
NO_SCHEDULE = {404: "There is no such schedule."}
WRONG_STATUS = {409: "The status of the job does not fit."}
