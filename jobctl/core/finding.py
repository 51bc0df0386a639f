"""What an examination of a store found."""

from __future__ import annotations

import msgspec


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong with a store.

    `code` says what kind of thing, `path` the file, as it is called within the store.
    `offset` and `length` are bytes of it, `line` counts from 1, `job` is an id.
    `repairable` says whether a repair can do something about it, `repaired` whether one has.
    """

    code: str
    path: str
    message: str
    offset: int | None = None
    length: int | None = None
    line: int | None = None
    job: str | None = None
    repairable: bool = True
    repaired: bool = False


class Examined(msgspec.Struct, frozen=True):
    """What an examination comes to: the findings, and how much of the journal was read."""

    findings: list[Finding]
    segments: int = 0
    lines: int = 0

    @property
    def left(self) -> list[Finding]:
        """What is still wrong."""
        return [one for one in self.findings if not one.repaired]
