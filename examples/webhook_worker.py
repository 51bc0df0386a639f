"""Deliver webhooks, signed as https://www.standardwebhooks.com describes.

    pip install httpx
    export WEBHOOK_SECRET=whsec_$(head -c 24 /dev/urandom | base64)
    python webhook_worker.py https://example.com/hook order.paid '{"order": 17}'
    jobctl run --burst

The receiver finds the job's id in `webhook-id`, the same in every attempt, and so knows a
delivery that it has had already. `webhook-signature` is the HMAC-SHA256 of id, time and
body. If your users choose the URL, check it before you add the job: the worker may reach
machines that they cannot.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Unpack

import httpx

from jobctl import Fail, Job, JobOptions, Queue, Retry, handler

TIMEOUT = 10.0
#: The longest wait, in seconds, that a receiver can ask for.
LONGEST_WAIT = 3600.0
#: Answers below 500 that may be another one the next time: time-out, too early, too many.
PASSING = (408, 425, 429)


@dataclass
class WebhookData:
    """What happened, and who wants to know."""

    url: str
    event: str
    payload: dict[str, Any]


@handler("deliver-webhook", max_retries=8, timeout="1m", backoff={"base": "5s", "cap": "1h"})
def deliver_webhook(job: Job[WebhookData]) -> dict[str, int]:
    """POST the event; try again on 5xx, 429, a time-out or a broken connection."""
    secret = _secret()
    body = encode(job)
    now = datetime.now(UTC)
    headers = {
        "content-type": "application/json",
        "user-agent": "jobctl-webhook/1",
        "webhook-id": job.id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": sign(secret, job.id, int(now.timestamp()), body),
    }
    status, retry_after = _post(job.data.url, body, headers)
    answer = f"{job.data.url} answered {status}"
    if 200 <= status < 300:
        print(answer)
        return {"status": status}
    if status >= 500 or status in PASSING:
        raise Retry(answer, after=wait_for(retry_after, now))
    if 300 <= status < 400:
        raise Fail(f"{answer}: redirects are not followed, change the URL")
    raise Fail(answer)


def encode(job: Job[WebhookData]) -> bytes:
    """Return the body: the same bytes in every attempt."""
    content = {
        "type": job.data.event,
        "timestamp": job.created_at.isoformat(),
        "data": job.data.payload,
    }
    return json.dumps(content, separators=(",", ":"), sort_keys=True).encode()


def sign(secret: bytes, delivery: str, timestamp: int, body: bytes) -> str:
    """Return the signature header. A receiver computes it too, and compares."""
    signed = f"{delivery}.{timestamp}.".encode() + body
    digest = hmac.new(secret, signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def wait_for(retry_after: str | None, now: datetime) -> float | None:
    """Return the seconds that a Retry-After header asks for, None if it says nothing."""
    if retry_after is None:
        return None
    if retry_after.isascii() and retry_after.isdigit():
        return min(float(retry_after), LONGEST_WAIT)
    try:
        moment = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max((moment - now).total_seconds(), 0.0), LONGEST_WAIT)


def _post(url: str, body: bytes, headers: dict[str, str]) -> tuple[int, str | None]:
    """Return the answer's status and Retry-After; its body is never read."""
    try:
        with (
            httpx.Client(timeout=TIMEOUT, follow_redirects=False) as client,
            client.stream("POST", url, content=body, headers=headers) as response,
        ):
            return response.status_code, response.headers.get("retry-after")
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise Fail(f"{url!r} is no http or https URL: {error}") from error
    except httpx.TransportError as error:
        raise Retry(f"{url}: {str(error) or type(error).__name__}") from error


def _secret() -> bytes:
    text = os.environ.get("WEBHOOK_SECRET", "")
    try:
        secret = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except binascii.Error as error:
        raise Fail("WEBHOOK_SECRET is not base64: see the top of this file") from error
    if len(secret) < 16:
        raise Fail("WEBHOOK_SECRET is missing or too short: see the top of this file")
    return secret


def enqueue_webhook(
    url: str, event: str, payload: dict[str, Any], **options: Unpack[JobOptions]
) -> str:
    """Add a delivery to the queue and return the job's id."""
    options.setdefault("priority", 5)
    data = WebhookData(url=url, event=event, payload=payload)
    return Queue().add("deliver-webhook", data, **options)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: python webhook_worker.py URL EVENT JSON")
    print(enqueue_webhook(sys.argv[1], sys.argv[2], json.loads(sys.argv[3])))
