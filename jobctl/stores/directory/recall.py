"""What was asked of an index a moment ago and is still so.

A daemon asks the same few things at each claim, and as a rule nothing has changed them. SQLite
says whether others have changed the file, and how many rows this connection has.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

T = TypeVar("T")


class Recall:
    """The answers of one connection, while it writes: a reader sees one snapshot each time."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._answers: dict[str, Any] = {}
        self._changes = 0  # rows that this connection had changed when it was asked last
        self._version: int | None = None  # what others had made of the file
        #: Whether the answers may be used: nobody else can change anything meanwhile.
        self.on = False

    def begin(self) -> bool:
        """Be told that a writing transaction has begun; return whether all was forgotten.

        That is so if others have written since the last one (sqlite.org/pragma.html,
        data_version): what this connection has of the file in its memory hangs on the same.
        """
        (version,) = self._db.execute("PRAGMA data_version").fetchone()
        same = version == self._version
        if not same:
            self._answers.clear()
            self._version = version
        self.on = True
        return not same

    def forget(self) -> None:
        """Be told that what was written does not count."""
        self._answers.clear()
        self.on = False

    def ask(self, what: str, question: Callable[[], T]) -> T:
        """Return the answer to a question that has a name."""
        changes = self._db.total_changes
        if changes != self._changes:
            self._answers.clear()
            self._changes = changes
        if what not in self._answers:
            self._answers[what] = question()
        answer: T = self._answers[what]
        return answer


def recalled(question: Callable[[Any], T]) -> Callable[[Any], T]:
    """Let a question without arguments be answered from memory if nothing has changed."""

    @wraps(question)
    def answer(self: Any) -> T:
        recall: Recall = self.recall
        if not recall.on:
            return question(self)
        return recall.ask(question.__name__, lambda: question(self))

    return answer
