"""Folding: what the journal says becomes what the index knows, whole transactions at a time."""

from __future__ import annotations

from collections.abc import Iterable

from jobctl.core.job import Status
from jobctl.stores.directory import lines
from jobctl.stores.directory.bare import OddIndexError
from jobctl.stores.directory.index import Index
from jobctl.stores.directory.inserts import Found
from jobctl.stores.directory.journal import REFUSED, Journal
from jobctl.stores.directory.rows import Position
from jobctl.stores.directory.schema import BY_ID
from jobctl.stores.directory.segments import Line, Place, Where
from jobctl.stores.directory.table import Folded
from jobctl.stores.directory.uncollected import uncollected

#: Lines that are folded in one step; a transaction is never split.
STEP = 10_000

#: Of so many bytes of a journal an index is made bare first.
LARGE = 4 << 20

#: Why a line does not count although it may be whole.
DAMAGED = "not a line of ours, or damaged"
TORN = "a transaction that is not whole"
_NOTHING = Folded([], [], [])
_PENDING = Status.PENDING


def is_current(journal: Journal, position: Position | None) -> bool:
    """Return whether an index that has come to `position` knows all that the journal holds.

    Only a size is compared: a foreign or damaged index shows at the next fold.
    """
    if position is None or not position.segment:
        return False
    segments = journal.segments()
    return (
        not position.bare
        and bool(segments)
        and segments[-1] == position.segment
        and (journal.end(position.segment) == position.offset)
    )


def agrees(journal: Journal, position: Position) -> bool:
    """Return whether the journal is the one that an index at `position` was made from."""
    if not position.segment:
        return True
    # The last line need not be a good one: a bad one was read past.
    place = Place(position.segment, position.offset - position.length, position.length)
    text = journal.read_raw(place)
    return len(text) == place.length and lines.checksum(text) == position.crc


def fold_step(journal: Journal, index: Index, most: int | None = None) -> tuple[bool, Folded]:
    """Fold up to STEP lines, or `most`; return whether there is more, and what became of them.

    The caller holds the write lock, has begun a SQLite transaction, and makes the journal
    durable before he commits it.
    """
    position = index.position() or Position()
    if not position.segment and index.on_disk and _is_large(journal):
        index.strip()
        position = position._replace(bare=1)
    if position.bare:
        try:
            return _bare_step(journal, index, position, most or STEP)
        except OddIndexError:
            index.begin_anew()
            position = Position()
    return _rows_step(journal, index, position, most or STEP)


@uncollected()
def _rows_step(
    journal: Journal, index: Index, position: Position, most: int
) -> tuple[bool, Folded]:
    """Fold lines into an index that is whole."""
    taken, last, more = _take(journal, position, most)
    if last is None:
        return False, _NOTHING
    folded = index.fold(taken)
    _quarantine(journal, folded.refused, REFUSED)
    index.set_position(_behind(journal, last))
    return more, folded


def _is_large(journal: Journal) -> bool:
    size = 0
    for segment in journal.segments():
        size += journal.end(segment) or 0
        if size >= LARGE:
            return True
    return False


def _bare_step(
    journal: Journal, index: Index, position: Position, most: int
) -> tuple[bool, Folded]:
    """Fold lines into a bare index; when all are folded, dress it bit by bit."""
    position, more, folded = _bare_rows(journal, index, position, most)
    if not more or index.has_many():
        bare = index.dress()
        position = position._replace(bare=int(bare))
        more = more or bare
    index.set_position(position)
    return more, folded


@uncollected()
def _bare_rows(
    journal: Journal, index: Index, position: Position, most: int
) -> tuple[Position, bool, Folded]:
    """Fold lines into a bare index; return where it has come to, and whether there is more."""
    taken, last, more = _take(journal, position, most)
    if any(
        entry.status is not _PENDING or entry.run_at or entry.after or entry.kind == "tombstone"
        for entry, _ in taken
    ):
        index.strip_rare()
        if any(entry.kind == "tombstone" or entry.after for entry, _ in taken):
            index.find_by_id()
    folded = index.fold(taken, by_seq=BY_ID in index.missing())
    if folded.refused:
        raise OddIndexError("a line must not count")
    if last is not None:
        position = _behind(journal, last)._replace(bare=1)
    return position, more, folded


def _take(
    journal: Journal, position: Position, most: int
) -> tuple[list[Found], Where | None, bool]:
    """Return the lines of the next whole transactions, up to `most` and the end of one.

    With them comes the place of the last line that was looked at, and whether there may be
    more. What is no whole transaction goes to quarantine.
    """
    taken: list[Found] = []
    last: Where | None = None
    segments = journal.segments()
    for segment in segments:
        if segment < position.segment:
            continue
        offset = position.offset if segment == position.segment else 0
        if offset == 0 and journal.is_foreign(segment):
            continue
        group: list[Found] = []  # the first lines of a transaction of `total`
        total, due = 0, 1  # what place in it the next line has to have
        for places, texts in journal.scan_many(segment, offset):
            found: Found
            for found in zip(lines.read_entries(texts), places, strict=True):
                entry, place = found
                k, n = (0, 0) if entry is None else entry.tx
                if k != due or (group and n != total):
                    if group:
                        last = _quarantine(journal, [place for _, place in group], TORN)
                        group, due = [], 1
                    if k != 1:
                        last = _quarantine(journal, [place], DAMAGED if entry is None else TORN)
                        continue
                group.append(found)
                if k != n:
                    total, due = n, k + 1
                    continue
                taken += group
                group, due = [], 1
                last = place
                if len(taken) >= most:
                    return taken, last, True
        if group and segment != segments[-1]:
            last = _quarantine(journal, [place for _, place in group], TORN)
    return taken, last, False


def _quarantine(journal: Journal, places: Iterable[Where], reason: str) -> Where | None:
    last = None
    for last in places:
        place = Place(*last)
        journal.quarantine(Line(place, journal.read_raw(place)), reason)
    return last


def _behind(journal: Journal, last: Where) -> Position:
    place = Place(*last)
    crc = lines.checksum(journal.read_raw(place))
    return Position(place.segment, place.offset + place.length, crc, place.length)


def fold_all(journal: Journal, index: Index) -> None:
    """Fold everything, for an index in memory."""
    more = True
    while more:
        more, _ = fold_step(journal, index)
