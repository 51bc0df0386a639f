"""A store as one looks after a busy day, for pictures of the pages."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from typing import Any

from jobctl.core.job import Ending, Exit, Job, JobError, Options, Outcome, finish
from jobctl.services.figures import Minute, Tally, append, folder_in
from jobctl.services.telling import Rules, State, Told, write_told
from tests.helpers import claim, make_job, put, there
from tests.web.browser import write_log
from tests.web.conftest import Site
from tests.web.crew import reached, works

CONFIG = """
[schedules.nightly-report]
cron = "0 3 * * *"
timezone = "Europe/Amsterdam"
job = "build-report"
data = {kind = "daily", recipients = ["ops@example.com"]}

[schedules.sync-crm]
every = "15m"
job = "sync-crm"

[schedules.month-end-invoices-for-all-customers]
cron = "30 23 L * *"
timezone = "America/Argentina/Buenos_Aires"
job = "invoice-everybody"
expect_within = "32d"
"""

NAMES = ("send-email", "resize-image", "sync-crm", "send-email", "charge-card")

TRACEBACK = """Traceback (most recent call last):
  File "/srv/app/lib/httpx/_transports/default.py", line 101, in map_httpcore_exceptions
    yield
  File "/srv/app/handlers/payments.py", line 42, in charge_card
    response = client.post("/v1/charges", json=payload, timeout=10)
httpx.ConnectTimeout: timed out after 10 seconds
"""

LOG = "".join(
    f"2026-03-11 10:14:{second:02} INFO  payments: {words}\n"
    for second, words in enumerate(
        (
            "charging card_1PqX3bLkdIwHu7ix of customer cus_QhV8ZkR4Y2 with 129.00 EUR",
            "POST https://api.payments.example/v1/charges",
            "waiting for the answer",
            "no answer in 10 seconds, giving up",
        )
    )
)

SCHEMA = {
    "type": "object",
    "properties": {
        "to": {"type": "string"},
        "subject": {"type": "string"},
        "retries": {"type": "integer", "default": 3},
    },
    "required": ["to", "subject"],
}


def busy(site: Site) -> None:
    """Fill a store: jobs of every status, running ones with progress, figures of an hour."""
    now = datetime.now(UTC)
    _ended(site, now)
    _dead(site, now)
    _running(site, now)
    _pending(site, now)
    _counted(site, now)
    site.backend.queue.pause("import-catalogue")
    handlers = {name: {"options": {}, "schema": SCHEMA} for name in sorted(set(NAMES))}
    known = {"handlers": handlers, "schedules": []}
    (site.store.files / "handlers.json").write_text(json.dumps(known))
    write_told(
        site.store.files,
        Told(os.getpid(), State.READY, now - timedelta(hours=3, minutes=7), Rules()),
    )


def _ended(site: Site, now: datetime) -> None:
    for n, name in enumerate(islice(cycle(NAMES), 40)):
        at = now - timedelta(minutes=50 - n)
        data = {"to": "ann@example.com", "n": n}
        put(site.store, make_job(f"done{n:012}", name=name, data=data, created_at=at))
        [job] = claim(site.store, now=at + timedelta(seconds=1))
        _end(site, job, at + timedelta(seconds=1.2 + n / 7), Outcome.COMPLETED)
    put(site.store, make_job("leftbehindqk2m7x", name="build-report", created_at=now))
    [job] = claim(site.store, now=now - timedelta(minutes=4))
    _end(site, job, now - timedelta(minutes=3), Outcome.CANCELLED)


def _dead(site: Site, now: datetime) -> None:
    error = JobError("ConnectTimeout", "timed out after 10 seconds", TRACEBACK)
    at = now - timedelta(minutes=9)
    data = {
        "customer": "cus_QhV8ZkR4Y2",
        "amount": {"value": "129.00", "currency": "EUR"},
        "card": "card_1PqX3bLkdIwHu7ix",
        "idempotency_key": "9a1f0e4c-54c1-4b2c-8a45-1a2b3c4d5e6f",
    }
    options: dict[str, Any] = {"max_retries": 2, "timeout": 60.0, "tags": ("billing", "eu")}
    put(
        site.store,
        make_job("failedcharge2xq7", name="charge-card", data=data, created_at=at, **options),
    )
    for attempt in range(3):
        began = at + timedelta(minutes=2 * attempt)
        [job] = claim(site.store, now=began + timedelta(minutes=1))
        _end(site, job, began + timedelta(minutes=1, seconds=10.4), Outcome.ERROR, error)
    write_log(site, "failedcharge2xq7", LOG)


def _running(site: Site, now: datetime) -> None:
    told: list[tuple[str, int, dict[str, Any] | None]] = [
        ("build-report", 261, {"done": 4218, "total": 12000, "note": "invoices of March"}),
        ("resize-image", 12, {"done": 3, "total": 4}),
        ("sync-crm", 3, None),
    ]
    for n, (name, seconds, said) in enumerate(told):
        job_id, began = f"running{n}k3v9x0q2", now - timedelta(seconds=seconds)
        put(site.store, make_job(job_id, name=name, created_at=began))
        claim(site.store, now=began)
        works(site, job_id, 48211 + n, began)
        if said is not None:
            reached(site, job_id, said, now)


def _pending(site: Site, now: datetime) -> None:
    at = now - timedelta(seconds=20)
    put(
        site.store,
        make_job(
            "retryingm2n8b4v6", name="send-email", created_at=at, max_retries=5, priority=1
        ),
    )
    [job] = claim(site.store, now=at)
    refused = JobError("SMTPRecipientsRefused", "550 5.1.1 the mailbox is not known here")
    _end(site, job, at + timedelta(seconds=1), Outcome.ERROR, refused)
    jobs = [
        make_job(f"waits{n:011}", name=name, created_at=at)
        for n, name in enumerate(islice(cycle(NAMES), 3))
    ]
    name = "recalculate-recommendations-for-all-customers-of-every-region"
    tomorrow = now + timedelta(hours=20)
    later = make_job("latera4s8d2f6g1h", name=name, created_at=at, run_at=tomorrow)
    put(
        site.store,
        *jobs,
        later,
        make_job(
            "waitsforothers", name="send-email", created_at=at, after=("retryingm2n8b4v6",)
        ),
    )


def _counted(site: Site, now: datetime) -> None:
    folder = folder_in(site.store.files)
    for ago in range(58, 0, -1):
        many = 30 + 14 * (ago % 7) - (ago % 11) * 3
        mail = Tally(
            completed=many, retried=int(ago % 5 == 0), seconds=many / 4, took={8: many}
        )
        cards = Tally(completed=6, failed=int(ago % 13 == 0), seconds=9, took={10: 5, 11: 1})
        at = int((now - timedelta(minutes=ago)).timestamp())
        append(folder, Minute(at, {"send-email": mail, "charge-card": cards}))


def _end(
    site: Site, job: Job[Any], at: datetime, outcome: Outcome, error: JobError | None = None
) -> None:
    ending = Ending(
        outcome,
        finished_at=at,
        started_at=job.started_at,
        error=error,
        worker="48213",
        exit=Exit(code=1) if error else None,
        max_rss=48 << 20,
        cpu_seconds=0.31,
        log_tail=tuple(LOG.splitlines()) if error else None,
    )
    options = Options(max_retries=job.max_retries) if job.max_retries is not None else Options()
    with site.store.transaction() as tx:
        tx.settle([finish(job, ending, options)])
    there(site.store, job.id)
