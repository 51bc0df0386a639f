"""The handlers of the demo: real work on small files, and two that fail on purpose."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path
from typing import Any, TypedDict

from jobctl import Job, handler


class OneFile(TypedDict):
    """Data of the jobs that read a file."""

    path: str


class Order(TypedDict):
    """Data of an order: what a shop's customer pays."""

    number: int
    total: str


@handler("count-words")
def count_words(data: OneFile) -> dict[str, int]:
    text = Path(data["path"]).read_text(encoding="utf-8")
    return {"lines": len(text.splitlines()), "words": len(text.split())}


@handler("checksum")
async def checksum(data: OneFile) -> str:
    return hashlib.sha256(Path(data["path"]).read_bytes()).hexdigest()


@handler("compress")
def compress(job: Job[OneFile]) -> dict[str, int]:
    source = Path(job.data["path"])
    packed = gzip.compress(source.read_bytes())
    # Another name for each job: a job may run twice, and does no harm then.
    source.with_name(f"{source.name}.{job.id}.gz").write_bytes(packed)
    return {"before": source.stat().st_size, "after": len(packed)}


@handler("fetch-rates", max_retries=3, backoff=["500ms", "1s"])
def fetch_rates(job: Job[Any]) -> dict[str, float]:
    """Fail the first time, as a busy server does; the retry half a second later works."""
    if job.attempts == 1:
        raise ConnectionError("the server is busy (503)")
    return {"EUR": 1.0, "USD": 1.09}


@handler("book-order", max_retries=2, backoff=["200ms", "400ms"])
def book_order(order: Order) -> float:
    """Fail for each order whose total is written with a comma: the job ends up dead."""
    return float(order["total"])
