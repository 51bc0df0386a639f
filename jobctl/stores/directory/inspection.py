"""The journal as `jobctl doctor` reads it: nothing is written, what is wrong is taken down."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from jobctl.core.finding import Finding
from jobctl.core.note import TOPICS
from jobctl.core.unreadable import UNREADABLE
from jobctl.errors import StoreError
from jobctl.stores.directory import lines
from jobctl.stores.directory.journal import Journal
from jobctl.stores.directory.layout import FORMAT, Layout
from jobctl.stores.directory.segments import Line, Place, Some, last_good

#: Why a line counts, and is of no use.
JOBLESS = "a whole line whose record cannot be read"


class Bad(NamedTuple):
    """Bytes that do not count, and why."""

    place: Place
    reason: str


class Inspected(Journal):
    """A journal that is read and not written to.

    It is folded like any other, so it finds bad what the store itself would find bad.
    """

    def __init__(self, layout: Layout, store_id: str) -> None:
        super().__init__(layout, store_id)
        #: Where to stop: a segment and an offset.
        self.limit: tuple[int, int] | None = None
        self.bad: list[Bad] = []
        self.unread: dict[int, StoreError] = {}
        self.retired: set[int] = set()
        self.accepted: set[int] = set()  # missing, and a repair has gone on without them
        self.lines = 0

    def segments(self) -> list[int]:
        """Return the numbers of the segments up to the limit."""
        there = super().segments()
        return there if self.limit is None else [n for n in there if n <= self.limit[0]]

    def scan_many(self, segment: int, offset: int) -> Iterator[Some]:
        """Yield lines up to the limit, and look at each."""
        stop = self.limit[1] if self.limit and self.limit[0] == segment else None
        for places, texts in super().scan_many(segment, offset):
            many = sum(stop is None or at < stop for _, at, _ in places)
            self.lines += many
            for place, text in zip(places[:many], texts, strict=False):
                if lines.intact(text):
                    self._look_at(Line(Place(*place), text))
            yield places[:many], texts[:many]
            if many < len(places):
                return

    def read_raw(self, place: Place) -> bytes:
        """Return the bytes at `place`, none of a segment that cannot be read."""
        try:
            return super().read_raw(place)
        except StoreError as err:
            self.unread[place.segment] = err
            return b""

    def quarantine(self, line: Line, reason: str, *, sync: bool = False) -> None:
        """Take down what is wrong: the bytes stay where they are."""
        self.bad.append(Bad(line.place, reason))

    def missing(self) -> list[int]:
        """Return the numbers of segments that were not retired, and are not there, or empty."""
        there = self.segments()
        if not there:
            return []
        gaps = set(range(there[0], there[-1] + 1)) - set(there)
        if there[0] > 1 and there[0] - 1 not in self.retired:
            gaps.add(there[0] - 1)
        gaps.update(number for number in there if self.end(number) == 0)
        return sorted(gaps - self.accepted)

    def unfinished(self) -> Iterator[Finding]:
        """Yield the end of the newest segment if it is no whole transaction."""
        for segment in self.segments()[-1:]:
            size = self.end(segment) or 0
            try:
                good = last_good(self._reader(segment), size)
            except (OSError, StoreError):
                return
            if good < size:
                yield Finding(
                    code="unfinished",
                    path=self.name(segment),
                    message="the end of a write that never succeeded: the next one cuts it off",
                    offset=good,
                    length=size - good,
                )

    def header(self, segment: int) -> lines.SegmentHeader | None:
        """Return the first line of a segment if it is one."""
        return self._header(segment)

    def findings(self) -> list[Finding]:
        """Return what is wrong with lines; neighbours with one fault are one finding."""
        found = [one for number in self.segments() for one in self._header_fault(number)]
        found += [
            Finding(
                code="unreadable", path=self.name(segment), message=str(why), repairable=False
            )
            for segment, why in self.unread.items()
        ]
        by_segment: defaultdict[int, list[Bad]] = defaultdict(list)
        for bad in self.bad:
            by_segment[bad.place.segment].append(bad)
        for segment, some in sorted(by_segment.items()):
            runs = list(_runs(sorted(some)))
            numbers = self._line_numbers(segment, [run.place.offset for run in runs])
            for run, number in zip(runs, numbers, strict=True):
                place = run.place
                found.append(
                    Finding(
                        code="line",
                        path=self.name(segment),
                        message=f"{run.reason}: {place.length} bytes that do not count",
                        offset=place.offset,
                        length=place.length,
                        line=number,
                    )
                )
        return found

    def name(self, segment: int) -> str:
        """Return what a segment is called within the store."""
        return f"journal/{segment:08d}.jsonl"

    def _header_fault(self, segment: int) -> Iterator[Finding]:
        header = self._header(segment)
        if header is None:
            return  # a damaged line like others: what follows it may be whole
        code, why = "foreign", ""
        if header.store != self.store_id:
            why = "a segment of another store: none of its lines count"
        elif header.segment != segment:
            why = f"segment {header.segment} under the name of another"
        elif header.format > FORMAT:
            code, why = (
                "newer",
                f"written in format {header.format}, this jobctl knows {FORMAT}",
            )
        if why:
            yield Finding(
                code=code,
                path=self.name(segment),
                message=why,
                offset=0,
                line=1,
                repairable=code == "foreign",
            )

    def _look_at(self, line: Line) -> None:
        kind = line.text[9 : line.text.find(b'"', 9)].decode("ascii", "replace")
        try:
            if kind == "job":
                lines.decode_job(line.text)
            elif kind in TOPICS:
                lines.decode_note(line.text)
            elif kind in ("retired", "lost"):
                which = self.retired if kind == "retired" else self.accepted
                entry = lines.read_entry(line.text)
                if entry is not None:
                    which.add(entry.segment)
        except UNREADABLE:
            self.bad.append(Bad(line.place, JOBLESS))

    def _line_numbers(self, segment: int, offsets: list[int]) -> list[int]:
        """Return which lines of a segment begin at some offsets, which are in order."""
        numbers, at, number = [], 0, 1
        for offset in offsets:
            while at < offset:
                chunk = self.read_raw(Place(segment, at, min(1 << 20, offset - at)))
                if not chunk:
                    break
                number += chunk.count(b"\n")
                at += len(chunk)
            numbers.append(number)
        return numbers


def _runs(bad: list[Bad]) -> Iterator[Bad]:
    """Yield neighbours with the same reason as one."""
    last: Bad | None = None
    for one in bad:
        if last is not None:
            place = last.place
            if one.place == place:
                continue  # found bad for two reasons: the first will do
            if one.reason == last.reason and one.place.offset == place.offset + place.length:
                last = Bad(place._replace(length=place.length + one.place.length), last.reason)
                continue
            yield last
        last = one
    if last is not None:
        yield last
