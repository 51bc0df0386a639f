"""Folding: what the journal says becomes what the index knows, whole transactions at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from jobctl.stores.directory import lines
from jobctl.stores.directory.index import Index, Position
from jobctl.stores.directory.journal import Journal, Line, Place

#: Lines that are folded in one step; a transaction is never split.
STEP = 10_000

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
    place = Place(position.segment, position.offset - position.length, position.length)
    text = journal.read(place)
    if text is None:
        # Its segment may have been compacted away since: then the index has read all of it,
        # if the next one is there.
        segments = journal.segments()
        return place.segment not in segments and place.segment + 1 in segments
    return lines.checksum(text) == position.crc


def fold_step(journal: Journal, index: Index) -> tuple[bool, list[Any]]:
    """Fold up to STEP lines; return whether there is more, and the entries.

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
        return False, []
    jobs = [(entry, place) for entry, place in taken if entry.kind in ("job", "tombstone")]
    refused = index.fold(jobs)
    for _, place in refused:
        text = journal.read(place) or b""
        journal.quarantine(Line(place, text), "a second add of a known id")
    place = last.place
    index.set_position(
        Position(
            place.segment, place.offset + place.length, lines.checksum(last.text), place.length
        )
    )
    no = {id(entry) for entry, _ in refused}
    return more, [entry for entry, _ in jobs if id(entry) not in no]


def fold_all(journal: Journal, index: Index) -> None:
    """Fold everything, for an index in memory."""
    more = True
    while more:
        more, _ = fold_step(journal, index)


def _groups(journal: Journal, position: Position) -> Iterator[tuple[list[Found], Line]]:
    """Yield whole transactions after `position`, each with its last line.

    What is no whole transaction goes to quarantine, and comes as an empty one.
    """
    for segment in journal.segments():
        if segment < position.segment:
            continue
        offset = position.offset if segment == position.segment else 0
        group: list[Found] = []
        texts: list[Line] = []
        for line in journal.scan(segment, offset):
            entry = _entry(line)
            expected = len(group) + 1
            if entry is not None and group and entry.tx[0] != expected:
                _quarantine(journal, texts, "a transaction that is not whole")
                group, texts, expected = [], [], 1
            texts.append(line)
            if entry is None:
                # Its neighbours of the same transaction are dropped as they fail to fit.
                _quarantine(journal, texts, "not a line of ours, or damaged")
                group, texts = [], []
                yield [], line
            elif entry.tx[0] != expected:
                _quarantine(journal, texts, "a transaction that is not whole")
                group, texts = [], []
                yield [], line
            else:
                group.append((entry, line.place))
                if entry.tx[0] == entry.tx[1]:
                    yield group, line
                    group, texts = [], []
        if texts and segment != journal.segments()[-1]:
            _quarantine(journal, texts, "a transaction that is not whole")
            yield [], texts[-1]


def _entry(line: Line) -> lines.Entry | None:
    if not lines.intact(line.text):
        return None
    try:
        return lines.decode_entry(line.text)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _quarantine(journal: Journal, found: list[Line], reason: str) -> None:
    for line in found:
        journal.quarantine(line, reason)
