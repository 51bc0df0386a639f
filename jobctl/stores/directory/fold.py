"""Folding: what the journal says becomes what the index knows, whole transactions at a time."""

from __future__ import annotations

from collections.abc import Iterator

from jobctl.core.note import TOPICS
from jobctl.stores.directory import lines
from jobctl.stores.directory.index import Index
from jobctl.stores.directory.journal import REFUSED, Journal
from jobctl.stores.directory.rows import Position
from jobctl.stores.directory.segments import Line, Place
from jobctl.stores.directory.table import Folded

#: Lines that are folded in one step; a transaction is never split.
STEP = 10_000

#: Why a line does not count although it may be whole.
TORN = "a transaction that is not whole"
_KINDS = ("job", "tombstone", *TOPICS)
_NOTHING = Folded([], [], [])

Found = tuple[lines.Entry, Place]


def is_current(journal: Journal, position: Position | None) -> bool:
    """Return whether an index that has come to `position` knows all that the journal holds.

    Only a size is compared: a foreign or damaged index shows at the next fold.
    """
    if position is None or not position.segment:
        return False
    segments = journal.segments()
    return (
        bool(segments)
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


def fold_step(journal: Journal, index: Index) -> tuple[bool, Folded]:
    """Fold up to STEP lines; return whether there is more, and what became of them.

    The caller holds the write lock, has begun a SQLite transaction, and makes the journal
    durable before he commits it.
    """
    position = index.position() or Position()
    taken: list[Found] = []
    last: Line | None = None
    more = False
    for group, end in _groups(journal, position):
        taken.extend(group)
        last = end
        if len(taken) >= STEP:
            more = True
            break
    if last is None:
        return False, _NOTHING
    folded = index.fold([(entry, place) for entry, place in taken if entry.kind in _KINDS])
    for place in folded.refused:
        journal.quarantine(Line(place, journal.read_raw(place)), REFUSED)
    place = last.place
    index.set_position(
        Position(
            place.segment, place.offset + place.length, lines.checksum(last.text), place.length
        )
    )
    return more, folded


def fold_all(journal: Journal, index: Index) -> None:
    """Fold everything, for an index in memory."""
    more = True
    while more:
        more, _ = fold_step(journal, index)


def _groups(journal: Journal, position: Position) -> Iterator[tuple[list[Found], Line]]:
    """Yield whole transactions after `position`, each with its last line.

    What is no whole transaction goes to quarantine, and comes as an empty one.
    """
    segments = journal.segments()
    for segment in segments:
        if segment < position.segment:
            continue
        offset = position.offset if segment == position.segment else 0
        if offset == 0 and journal.is_foreign(segment):
            continue
        group: list[Found] = []
        texts: list[Line] = []
        for line in journal.scan(segment, offset):
            entry = lines.read_entry(line.text)
            if texts and (entry is None or entry.tx != (len(group) + 1, group[0][0].tx[1])):
                yield _quarantine(journal, texts, TORN)
                group, texts = [], []
            if entry is None:
                yield _quarantine(journal, [line], "not a line of ours, or damaged")
            elif entry.tx[0] != len(group) + 1:
                yield _quarantine(journal, [line], TORN)
            else:
                group.append((entry, line.place))
                texts.append(line)
                if entry.tx[0] == entry.tx[1]:
                    yield group, line
                    group, texts = [], []
        if texts and segment != segments[-1]:
            yield _quarantine(journal, texts, TORN)


def _quarantine(journal: Journal, found: list[Line], reason: str) -> tuple[list[Found], Line]:
    for line in found:
        journal.quarantine(line, reason)
    return [], found[-1]
