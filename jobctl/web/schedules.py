"""The schedules over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import get, post
from litestar.params import FromPath
from msgspec import Meta

from jobctl.core.schedule import Schedule
from jobctl.web import asked, records
from jobctl.web.asked import AnyRequest
from jobctl.web.backend import Services
from jobctl.web.docs import NO_SCHEDULE, route

ROOT = "/api/admin/schedules"


class HowMany(msgspec.Struct, forbid_unknown_fields=True):
    """How many ticks."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 20


@route(get, ROOT, "All schedules, by name.", records.Schedules)
def list_schedules(backend: Services) -> records.Schedules:
    return records.Schedules([backend.schedule(one) for one in backend.scheduler.schedules()])


@route(
    get,
    f"{ROOT}/{{name:str}}",
    "One schedule, and how it stands.",
    Schedule,
    errors=NO_SCHEDULE,
)
def show_schedule(name: FromPath[str], backend: Services) -> dict[str, Any]:
    return backend.schedule(backend.scheduler.required(name))


@route(
    get,
    f"{ROOT}/{{name:str}}/history",
    "What became of its last ticks, the newest first.",
    records.Ticks,
    query=HowMany,
    errors=NO_SCHEDULE,
)
def history(request: AnyRequest, name: FromPath[str], backend: Services) -> records.Ticks:
    wanted = asked.query(request, HowMany)
    return records.Ticks(list(backend.scheduler.history(name, wanted.limit)))


@route(
    get,
    f"{ROOT}/{{name:str}}/next",
    "Its ticks to come, with what is odd about their local hours.",
    records.Plan,
    query=HowMany,
    errors=NO_SCHEDULE,
)
def plan(request: AnyRequest, name: FromPath[str], backend: Services) -> records.Plan:
    wanted = asked.query(request, HowMany)
    return records.Plan(list(backend.scheduler.plan(name, None, wanted.limit)))


@route(
    post,
    f"{ROOT}/{{name:str}}/trigger",
    "Make a job of it now, also while it is off.",
    records.Triggered,
    status=202,
    errors=NO_SCHEDULE,
)
def trigger(name: FromPath[str], backend: Services) -> records.Triggered:
    return records.Triggered(backend.scheduler.trigger(name))


@route(
    post,
    f"{ROOT}/{{name:str}}/enable",
    "Switch it on, whatever the file says. It owes no tick from before.",
    Schedule,
    errors=NO_SCHEDULE,
)
def enable(name: FromPath[str], backend: Services) -> dict[str, Any]:
    return backend.schedule(backend.scheduler.enable(name))


@route(
    post,
    f"{ROOT}/{{name:str}}/disable",
    "Switch it off, whatever the file says.",
    Schedule,
    errors=NO_SCHEDULE,
)
def disable(name: FromPath[str], backend: Services) -> dict[str, Any]:
    return backend.schedule(backend.scheduler.disable(name))


ROUTES = [list_schedules, show_schedule, history, plan, trigger, enable, disable]
