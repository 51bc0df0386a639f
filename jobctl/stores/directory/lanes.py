"""Which job is claimed next, without asking the index for each.

A lane is all ready jobs of one (name, concurrency key). It keeps its next few hundred in
memory and is refilled from the index, so a million waiting jobs cost no memory, and a
lane that may not run now costs nothing to those behind it.
"""

from __future__ import annotations

import heapq
from collections import deque
from typing import Any, Protocol

from jobctl.core.job import Status
from jobctl.core.store import Gate, Verdict

#: Where a job stands in its lane: rank (the negative priority), due, seq; the least is next.
Order = tuple[int, int, int]
Key = tuple[str, str]

_REFILL = 400
_MOST = 1200
#: Every so many claims one goes to the longest waiting, so that nothing starves.
FAIRNESS = 10
_START: Order = (-(1 << 62), -1, -1)


class Source(Protocol):
    """What lanes ask the index."""

    def next_lane(self, name: str, key: str) -> Key | None: ...
    def best(self, name: str, key: str, after: Order, limit: int) -> list[Order]: ...
    def oldest(self, name: str, key: str, limit: int) -> list[tuple[int, int]]: ...


class Lane:
    """The next jobs of one (name, concurrency key)."""

    def __init__(self, key: Key) -> None:
        self.key = key
        self._orders: list[Order] = []  # a heap; what is not in _members has left
        self._members: set[int] = set()
        self._more = True  # whether the index may know some that are not here
        self._last: Order = _START  # those that are only in the index come after it
        self._elders: deque[tuple[int, int]] = deque()
        self._gone: set[int] = set()  # claimed in this transaction, not yet in the index
        self.offered: Order | None = None  # the head that stands in the heap of lanes

    def add(self, order: Order) -> None:
        """Take in a job that became ready."""
        if order[2] in self._members or (self._more and order > self._last):
            return
        heapq.heappush(self._orders, order)
        self._members.add(order[2])
        if len(self._orders) > _MOST:
            self._orders = sorted(o for o in self._orders if o[2] in self._members)[:_REFILL]
            self._members = {o[2] for o in self._orders}
            self._last = self._orders[-1] if self._orders else _START
            self._more = True

    def discard(self, seq: int) -> None:
        """Take out a job that is not ready any more."""
        self._members.discard(seq)

    def claimed(self, seq: int) -> None:
        """Take out a job that the index still calls ready."""
        self._members.discard(seq)
        self._gone.add(seq)

    def settled(self) -> None:
        """Be told that the index knows all that was claimed."""
        self._gone.clear()

    def head(self, source: Source) -> Order | None:
        """Return the next job, None if there is none."""
        while True:
            while self._orders and self._orders[0][2] not in self._members:
                heapq.heappop(self._orders)
            if self._orders:
                return self._orders[0]
            if not self._more:
                return None
            self._refill(source)

    def _refill(self, source: Source) -> None:
        found = source.best(*self.key, self._last, _REFILL)
        self._more = len(found) == _REFILL
        if found:
            self._last = found[-1]
        self._orders = [order for order in found if order[2] not in self._gone]
        self._members = {order[2] for order in self._orders}

    def elder(self, source: Source) -> tuple[int, int] | None:
        """Return since and seq of the job that has waited longest."""
        # Asked anew each time the few known ones are used up: younger ones only come behind,
        # but for a delayed job that was due long ago, and that one is seen at the next query.
        while self._elders and self._elders[0][1] in self._gone:
            self._elders.popleft()
        if not self._elders:
            # As many are gone at most as this transaction has claimed.
            limit = len(self._gone) + 8
            self._elders.extend(
                pair for pair in source.oldest(*self.key, limit) if pair[1] not in self._gone
            )
        return self._elders[0] if self._elders else None

    def forget_elders(self) -> None:
        """Ask the index again at the next call of `elder`."""
        self._elders.clear()


class Lanes:
    """All lanes of a store."""

    def __init__(self) -> None:
        self._lanes: dict[Key, Lane] = {}
        self._heads: list[tuple[Order, Key]] = []
        self._loaded = False
        self._count = 0
        self._touched: set[Key] = set()

    @property
    def active(self) -> bool:
        """Whether anybody has claimed here yet, so that changes must be followed."""
        return self._loaded

    def reset(self) -> None:
        """Forget everything; the next claim loads it from the index."""
        self._lanes.clear()
        self._heads.clear()
        self._touched.clear()
        self._loaded = False

    def load(self, source: Source) -> None:
        """Find the lanes that have ready jobs."""
        self.reset()
        key: Key | None = ("", "")
        while key is not None:
            key = source.next_lane(*key)
            if key is not None:
                lane = self._lanes[key] = Lane(key)
                self._offer(lane, source)
        self._loaded = True

    def follow(self, entry: Any) -> None:
        """Take in a line of the journal: a job in its newest state."""
        if getattr(entry, "kind", "job") == "tombstone":
            for lane in self._lanes.values():
                lane.discard(entry.seq)
            return
        key = (entry.name, entry.concurrency_key or "")
        if entry.status is Status.PENDING and entry.run_at is None:
            self.ready(*key, -entry.priority, 0, entry.seq)
        elif key in self._lanes:
            self._lanes[key].discard(entry.seq)

    def ready(self, name: str, key: str, rank: int, due: int, seq: int) -> None:
        """Take in a job that may be claimed now."""
        lane = self._lanes.get((name, key))
        if lane is None:
            lane = self._lanes[name, key] = Lane((name, key))
        order = (rank, due, seq)
        lane.add(order)
        if due:
            lane.forget_elders()
        if lane.offered is None or order < lane.offered:
            self._push(lane, order)

    def settled(self) -> None:
        """Be told that the index knows all that was claimed."""
        for key in self._touched:
            lane = self._lanes[key]
            lane.settled()
            lane.forget_elders()
        self._touched.clear()

    def take(self, limit: int, gate: Gate, source: Source) -> list[int]:
        """Return the seqs of up to `limit` jobs, as they are claimed."""
        taken: list[int] = []
        closed: set[Key] = set()
        try:
            while len(taken) < limit:
                fair = self._count % FAIRNESS == FAIRNESS - 1
                found = self._eldest(closed, source) if fair else self._best(closed, source)
                if found is None:
                    break
                lane, seq = found
                verdict = gate(lane.key[0], lane.key[1] or None)
                if verdict is Verdict.FULL:
                    break
                if verdict is Verdict.CLOSED:
                    closed.add(lane.key)
                    continue
                lane.claimed(seq)
                self._touched.add(lane.key)
                self._count += 1
                taken.append(seq)
                self._offer(lane, source)
        finally:
            for key in closed:
                self._offer(self._lanes[key], source)
        return taken

    def _offer(self, lane: Lane, source: Source) -> None:
        head = lane.head(source)
        if head is not None and head != lane.offered:
            self._push(lane, head)

    def _push(self, lane: Lane, order: Order) -> None:
        lane.offered = order
        heapq.heappush(self._heads, (order, lane.key))

    def _best(self, closed: set[Key], source: Source) -> tuple[Lane, int] | None:
        # Of a lane's entries only the one that was offered last counts, and only while it is
        # still the head: whoever left meanwhile is replaced by the lane's next.
        while self._heads:
            order, key = self._heads[0]
            lane = self._lanes[key]
            current = order == lane.offered
            if current and key not in closed and lane.head(source) == order:
                return lane, order[2]
            heapq.heappop(self._heads)
            if current:
                lane.offered = None
                if key not in closed:
                    self._offer(lane, source)
        return None

    def _eldest(self, closed: set[Key], source: Source) -> tuple[Lane, int] | None:
        best: tuple[int, int, Key] | None = None
        for key, lane in self._lanes.items():
            if key in closed or lane.head(source) is None:
                continue
            elder = lane.elder(source)
            if elder is not None and (best is None or (*elder, key) < best):
                best = (*elder, key)
        return (self._lanes[best[2]], best[1]) if best else None
