"""Alerts: a job, a command or a webhook that tells somebody what went wrong.

They are grouped: at most one of a kind in some time, with all that came meanwhile. One that
fails is said in the log, and nothing else follows from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from jobctl.core.intake import new_job
from jobctl.core.store import Store
from jobctl.runtime.log import Log
from jobctl.runtime.sending import Sender
from jobctl.runtime.settings import Alerting
from jobctl.services.whole import read_whole, write_whole

#: The tag of jobs that alerts add: of one of these that is dead there is no alert.
TAG = "jobctl-alert"
#: How many things of a kind an alert names; it counts them all.
SHOWN = 20

_FILE = "alerts.json"
#: What is said of one of a kind, and of several.
_WORDS = {
    "dead": ("job is dead", "jobs are dead"),
    "overdue": (
        "schedule has had no success for too long",
        "schedules have had no success for too long",
    ),
    "waiting": ("job has been due for too long", "jobs have been due for too long"),
}


class _Group(msgspec.Struct):
    """What came of a kind since the last alert. `items` are the first of `count`."""

    count: int = 0
    items: list[dict[str, Any]] = []
    recovered: list[dict[str, Any]] = []
    sent_at: datetime | None = None

    @property
    def waiting(self) -> bool:
        return bool(self.count or self.recovered)


class Alerts:
    """What is to be told, and when. It outlives the daemon in alerts.json."""

    def __init__(self, log: Log, folder: Path) -> None:
        self._log = log
        self._path = folder / _FILE
        self._settings = Alerting()
        self._sender = Sender(log)
        self._groups = read_whole(self._path, dict[str, _Group]) or {}
        self._changed = False

    def use(self, settings: Alerting) -> None:
        """Tell it in these ways."""
        self._settings = settings
        for kind in self._groups.keys() - settings.actions.keys():
            del self._groups[kind]  # nobody asked

    def add(self, kind: str, item: Mapping[str, Any], *, recovered: bool = False) -> None:
        """Have something told, if somebody asked for its kind."""
        if kind not in self._settings.actions:
            return
        group = self._groups.setdefault(kind, _Group())
        if not recovered:
            group.count += 1
        rows = group.recovered if recovered else group.items
        if len(rows) < SHOWN:
            rows.append(dict(item))
        self._changed = True

    def wait(self, now: datetime) -> float | None:
        """Return after how many seconds there is something to tell, None if never."""
        waits = [self._rest(group, now) for group in self._groups.values() if group.waiting]
        return min(waits, default=None)

    def step(self, store: Store, now: datetime) -> int:
        """Tell what is to be told now; return how many jobs were added. Raises StoreError."""
        added = 0
        for kind, group in self._groups.items():
            if not group.waiting or self._rest(group, now) > 0:
                continue
            added += self._tell(store, kind, group, now)
            self._groups[kind] = _Group(sent_at=now)
            self._changed = True
        self.save()
        return added

    def save(self) -> None:
        """Write down what is still to be told."""
        if not self._changed:
            return
        self._changed = False
        with suppress(OSError):  # the worst that follows is an alert that comes twice, or early
            write_whole(self._path, self._groups)

    def close(self) -> None:
        """Let what is under way come to its end, for a moment."""
        self.save()
        self._sender.close()

    def _tell(self, store: Store, kind: str, group: _Group, now: datetime) -> int:
        payload = {
            "alert": kind,
            "at": now,
            "message": _message(kind, group),
            "count": group.count,
            "items": group.items,
            "recovered": group.recovered,
        }
        self._log.warning(f"alert: {payload['message']}", alert=kind, count=group.count)
        action = self._settings.actions[kind]
        if action.job is None:
            self._sender.send(action, msgspec.to_builtins(payload))
            return 0
        job = new_job(action.job, msgspec.to_builtins(payload), {"tags": [TAG]}, now=now)
        with store.transaction() as tx:
            tx.add((job,))
        return 1

    def _rest(self, group: _Group, now: datetime) -> float:
        if group.sent_at is None or group.sent_at > now:  # the clock went back
            return 0.0
        since = (now - group.sent_at).total_seconds()
        return max(0.0, self._settings.every - since)


def _message(kind: str, group: _Group) -> str:
    parts = []
    if group.count:
        names = ", ".join(_name(item) for item in group.items[:3])
        more = ", ..." if group.count > 3 else ""
        what = _WORDS[kind][group.count > 1]
        parts.append(f"{group.count} {what}: {names}{more}")
    if group.recovered:
        parts.append(f"recovered: {', '.join(_name(item) for item in group.recovered[:3])}")
    return "; ".join(parts)


def _name(item: Mapping[str, Any]) -> str:
    if "schedule" in item and "id" not in item:
        return str(item["schedule"])
    return f"{item.get('name', '')} {item.get('id', '')}".strip()
