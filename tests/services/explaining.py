"""What the tests of explanations share: a store whose daemon is as the test says."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from jobctl.core.job import Job, Options, Outcome
from jobctl.core.store import Pulse
from jobctl.errors import StoreError, StoreUnwritable
from jobctl.services.cleaning import KEEP_ALL, Keep
from jobctl.services.explaining.answer import Explanation
from jobctl.services.explaining.case import Case
from jobctl.services.explaining.explain import explain
from jobctl.services.telling import Rules, State, Told, write_told
from jobctl.stores.memory import MemoryStore
from tests.helpers import NOON, after, claim, end, put, there

PID = 7
#: No jitter, and a backoff that is easy to read.
ONCE = Options(max_retries=0)


class Watched(MemoryStore):
    """A store with a daemon that answers, or as it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.answer: Pulse | StoreError = Pulse(PID, moving=True)
        self.full = False

    def pulse(self, patience: float) -> Pulse:
        if isinstance(self.answer, StoreError):
            raise self.answer
        return self.answer

    def probe(self) -> None:
        if self.full:
            raise StoreUnwritable("no room")

    def tell(self, pid: int = PID, **fields: Any) -> None:
        """Leave what a daemon tells."""
        given: dict[str, Any] = {"state": State.READY, "since": NOON, "rules": Rules()}
        write_told(self.files, Told(pid=pid, **(given | fields)))


def why(
    store: MemoryStore,
    job_id: str = "it",
    seconds: float = 0.0,
    *,
    rules: Rules | None = None,
    keep: Keep = KEEP_ALL,
) -> Explanation:
    """Return the explanation of a job, so many seconds after NOON."""
    case = Case(store, there(store, job_id), after(seconds), rules, keep)
    return explain(case)


def codes(found: Explanation) -> list[str]:
    return [reason.code for reason in found.reasons]


def said(found: Explanation, code: str) -> str:
    """Return the sentence of a code that is there once."""
    [reason] = [one for one in (*found.reasons, *found.about) if one.code == code]
    assert reason.message[-1] in ".!?:"
    return reason.message


def commands(found: Explanation) -> list[str]:
    return [step.command for step in found.next]


def run_once(
    store: MemoryStore, job: Job[Any], outcome: Outcome, at: datetime = NOON, **fields: Any
) -> Job[Any]:
    """Add a job, and let its attempt end as the fields say."""
    put(store, job)
    [claimed] = claim(store, now=NOON)
    return end(store, claimed, outcome, at, **fields)
