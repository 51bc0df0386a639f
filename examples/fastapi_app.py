"""Add a job from a web application; the job's handler is in the same file.

pip install fastapi uvicorn
uvicorn fastapi_app:app &
curl --json '{"user_id": "7", "action": "signed up"}' localhost:8000/api/action
jobctl run --handlers fastapi_app --burst
"""

from __future__ import annotations

from functools import cache
from typing import TypedDict

from fastapi import FastAPI
from pydantic import BaseModel

from jobctl import Queue, handler


class ActionData(TypedDict):
    """The job's data: who did what."""

    user_id: str
    action: str


@handler("record-action", max_retries=3)
async def record_action(data: ActionData) -> str:
    """Do what is to be done, in a worker process."""
    return f"{data['action']} by user {data['user_id']}"


@cache
def queue() -> Queue:
    """Return the application's queue; it is opened at first use and then kept."""
    return Queue()


async def enqueue_action(user_id: str, action: str) -> str:
    """Add the job without blocking the event loop, and return its id."""
    data = ActionData(user_id=user_id, action=action)
    return await queue().aio.add("record-action", data, priority=5, max_retries=3)


app = FastAPI()


class Action(BaseModel):
    """The request."""

    user_id: str
    action: str


class Queued(BaseModel):
    """The answer: the job runs later, its id is known now."""

    message: str
    job_id: str


@app.post("/api/action", status_code=202)
async def action(request: Action) -> Queued:
    """Queue the work and answer at once."""
    job_id = await enqueue_action(request.user_id, request.action)
    return Queued(message="Job queued", job_id=job_id)
