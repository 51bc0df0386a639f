"""Which job is claimed next, without asking the index for each.

A lane is refilled from the index, so a million waiting jobs cost no memory, and a lane
that may not run now costs nothing to those behind it. The lanes of one job name stand
together: a name that may not run costs one look, however many lanes it has.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol

from jobctl.core.job import Status
from jobctl.core.note import EVERYTHING, PAUSE, TOPICS
from jobctl.core.store import AnyJob, Gate, Verdict
from jobctl.stores.directory.fresh import Ahead
from jobctl.stores.directory.lane import Elder, Heads, Lane, Order, Source
from jobctl.stores.directory.rows import SHELL, lane_key
from jobctl.stores.directory.waits import Moved

#: Every so many claims one goes to the longest waiting, so that nothing starves.
FAIRNESS = 10
#: So many of a name's longest waiting are looked at; if all are closed the name must wait.
ELDERS = 64
_TAKE = Verdict.TAKE
_BEFORE_ALL = (-1, -1)
_AFTER_ALL: Order = (1 << 63, 0, 0)


class Name:
    """The lanes of one job name: those of its shell jobs, or of all others."""

    def __init__(self, name: str, shell: bool) -> None:
        self.name = name
        self.shell = shell
        self.lanes: Heads[Lane] = Heads()
        self.closed = False  # to the claim that is going on
        self.paused = False
        self.offered: Order | None = None  # the head that counts in the heap of names
        self.next: Lane | None = None  # whose next job the head is
        self.gone: set[int] = set()  # claimed in this transaction, not yet in the index
        self._elders: deque[Elder] = deque()
        self._after = _BEFORE_ALL  # those that are only in the index come after it
        self._more = True
        self._asked = False  # whether the three above say anything

    def lane(self, key: str) -> Lane:
        """Return the lane of a concurrency key, which may be a new one."""
        return self.lanes.get(key) or self.lanes.add(key, Lane(self.name, key, self.gone))

    def head(self, source: Source) -> Order | None:
        """Return the next job, None if there is none or the name is closed."""
        self.next = None if self.closed or self.paused else self.lanes.first(source)
        return self.next.offered if self.next else None

    def elder(self, source: Source) -> Elder | None:
        """Return the open job that has waited longest, if it is one of the first few."""
        if self.closed or self.paused:
            return None
        self._asked = True
        while True:
            while self._elders and self._elders[0][1] in self.gone:
                self._elders.popleft()
            if self._elders or not self._more:
                break
            found = source.oldest(self.name, self._after, ELDERS)
            self._more = len(found) == ELDERS
            if found:
                self._after = found[-1][:2]
            self._elders.extend(one for one in found if one[2].startswith(SHELL) is self.shell)
            if not self._elders:
                break  # of the other kind, all of them: the next time looks further
        for elder in self._elders:
            if elder[1] not in self.gone and not self.lane(elder[2]).closed:
                return elder
        return None

    def forget_elders(self) -> None:
        """Ask the index again at the next call of `elder`: something has changed."""
        if self._asked:
            self._elders.clear()
            self._after = _BEFORE_ALL
            self._more = True
            self._asked = False


class Next(NamedTuple):
    """The job that is next, and before which order others of its lane follow it."""

    name: Name
    lane: Lane
    seq: int
    until: Order | None  # None if it alone is taken


def _heading(name: str, shell: bool) -> str:
    return f"{SHELL}{name}" if shell else name


class Whole(Source, Protocol):
    """What is asked as lanes begin: the index, which knows all then."""

    def paused(self) -> set[str]: ...
    def next_lane(self, name: str, key: str) -> tuple[str, str] | None: ...


class Lanes:
    """All lanes of a store."""

    def __init__(self) -> None:
        self._names: Heads[Name] = Heads()
        self._paused: set[str] = set()
        self._resumed: set[str] = set()  # to be looked at again
        self._touched: set[Name] = set()
        self._loaded = False
        self._count = 0
        #: Whether the last `take` ended because nothing fits any more.
        self.full = False

    def source(self, index: Source, waiting: Mapping[int, AnyJob]) -> Source:
        """Return what lanes ask: the index, and the `waiting` jobs that it does not know."""
        return Ahead(index, waiting) if waiting else index

    @property
    def active(self) -> bool:
        """Whether anybody has claimed here yet, so that changes must be followed."""
        return self._loaded

    def reset(self) -> None:
        """Forget everything; the next claim loads it from the index."""
        self._names.clear()
        self._touched.clear()
        self._resumed.clear()
        self._loaded = False

    def load(self, source: Whole) -> None:
        """Find the lanes that have ready jobs."""
        self.reset()
        self._paused = source.paused()
        found = source.next_lane("", "")
        while found is not None:
            name = self._name(*found)
            name.lane(found[1])
            name.lanes.offer(found[1], source)
            found = source.next_lane(*found)
        for name in self._names.all():
            self._names.offer(_heading(name.name, name.shell), source)
        self._loaded = True

    def follow_all(self, entries: Iterable[Any], moved: Iterable[Moved]) -> None:
        """Take in new lines of the journal, and who waits for others or no longer does."""
        for entry in entries:
            kind = getattr(entry, "kind", "job")
            if kind == PAUSE:
                self.pause(entry.key, on=not entry.gone)
            elif kind not in TOPICS:
                self.follow(entry)
        for one in moved:
            if one.ready == 1:
                self.ready(*one[:5])
            else:
                self._leave(one.name, one.key, one.seq)

    def pause(self, name: str, *, on: bool) -> None:
        """Let the jobs of a name (EVERYTHING: of all) rest, or go on."""
        (self._paused.add if on else self._paused.discard)(name)
        for heading in (_heading(name, False), _heading(name, True)):
            known = self._names.get(heading)
            if known is not None:
                known.paused = on
                self._resumed.add(heading)

    def follow(self, entry: Any) -> None:
        """Take in a line of the journal: a job in its newest state."""
        if getattr(entry, "kind", "job") == "tombstone":
            for name in self._names.all():
                name.forget_elders()
                for each in name.lanes.all():
                    each.discard(entry.seq)
            return
        key = lane_key(entry)
        if entry.status is Status.PENDING and entry.run_at is None and not entry.after:
            self.ready(entry.name, key, -entry.priority, 0, entry.seq)
        else:
            self._leave(entry.name, key, entry.seq)

    def _leave(self, name: str, key: str, seq: int) -> None:
        if known := self._names.get(_heading(name, key.startswith(SHELL))):
            known.forget_elders()
            if lane := known.lanes.get(key):
                lane.discard(seq)

    def ready(self, name: str, key: str, rank: int, due: int, seq: int) -> None:
        """Take in a job that may be claimed now."""
        its, order = self._name(name, key), (rank, due, seq)
        its.gone.discard(seq)  # it was claimed, and given back in this transaction
        its.lane(key).add(order)
        its.forget_elders()
        its.lanes.sooner(key, order)
        self._names.sooner(_heading(name, its.shell), order)

    def settled(self) -> None:
        """Be told that the index knows all that was claimed."""
        for name in self._touched:
            name.gone.clear()
            name.forget_elders()
        self._touched.clear()

    def take(self, limit: int, gate: Gate, source: Source) -> list[int]:
        """Return the seqs of up to `limit` jobs, as they are claimed."""
        taken: list[int] = []
        closed: list[tuple[Name, Lane]] = []
        self.full = False
        if EVERYTHING in self._paused:
            return taken
        for heading in self._resumed:
            self._names.offer(heading, source)
        self._resumed.clear()
        try:
            while len(taken) < limit and not self.full:
                found = self._next(source)
                if found is None:
                    break
                verdict = self._take_run(taken, limit, gate, source, found)
                if verdict is Verdict.FULL:
                    self.full = True
                elif verdict is not _TAKE:
                    found.lane.closed = True
                    found.name.closed = verdict is Verdict.NAME_CLOSED
                    closed.append((found.name, found.lane))
        finally:
            self._open(closed, source)
        return taken

    def _take_run(
        self, taken: list[int], limit: int, gate: Gate, source: Source, next_one: Next
    ) -> Verdict:
        """Take jobs of one lane for as long as they are next; return the gate's last word."""
        name, lane, seq, until = next_one
        key = lane.key.removeprefix(SHELL) or None
        self._touched.add(name)
        while (verdict := gate(name.name, key, name.shell)) is _TAKE:
            lane.discard(seq)
            name.gone.add(seq)
            self._count += 1
            taken.append(seq)
            if until is None or len(taken) == limit or self._count % FAIRNESS == FAIRNESS - 1:
                break
            order = lane.head(source)
            if order is None or order >= until:
                break
            seq = order[2]
        return verdict

    def _name(self, name: str, key: str) -> Name:
        """Return the name that a lane belongs to, which may be a new one."""
        shell = key.startswith(SHELL)
        heading = _heading(name, shell)
        known = self._names.get(heading)
        if known is None:
            known = self._names.add(heading, Name(name, shell))
            known.paused = name in self._paused
        return known

    def _open(self, closed: list[tuple[Name, Lane]], source: Source) -> None:
        for name, lane in closed:
            name.closed = lane.closed = False
        for name, lane in closed:
            name.lanes.offer(lane.key, source)
        for name in {name for name, _ in closed}:
            self._names.offer(_heading(name.name, name.shell), source)

    def _next(self, source: Source) -> Next | None:
        if self._count % FAIRNESS == FAIRNESS - 1:
            found = self._eldest(source)
            if found is not None:
                return found
        name = self._names.first(source)
        if name is None or name.next is None or name.offered is None:
            return None
        rivals = [r for r in (self._names.rival(), name.lanes.rival()) if r is not None]
        return Next(name, name.next, name.offered[2], min(rivals, default=_AFTER_ALL))

    def _eldest(self, source: Source) -> Next | None:
        best: tuple[Elder, Name] | None = None
        for name in self._names.all():
            elder = name.elder(source)
            if elder is not None and (best is None or elder < best[0]):
                best = elder, name
        return Next(best[1], best[1].lane(best[0][2]), best[0][1], None) if best else None
