"""A lane: all ready jobs of one (name, concurrency key), the next few hundred in memory.

Lanes, and the names that they belong to, stand in a heap by their next job.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar

#: Where a job stands in its lane: rank (the negative priority), due, seq; the least is next.
Order = tuple[int, int, int]
#: How long a job has waited: since, seq and its concurrency key.
Elder = tuple[int, int, str]

_REFILL = 400
_MOST = 1200
_START: Order = (-(1 << 62), -1, -1)


class Source(Protocol):
    """What lanes ask the index."""

    def best(self, name: str, key: str, after: Order, limit: int) -> list[Order]: ...
    def oldest(self, name: str, after: tuple[int, int], limit: int) -> list[Elder]: ...


class Lane:
    """The next jobs of one (name, concurrency key)."""

    def __init__(self, name: str, key: str, gone: set[int]) -> None:
        """Begin empty. `gone` are those of its name that the index calls ready in vain."""
        self.name = name
        self.key = key
        self.closed = False  # to the claim that is going on
        self.offered: Order | None = None  # the head that counts in the heap of lanes
        self._gone = gone
        self._orders: list[Order] = []  # a heap; what is not in _members has left
        self._members: set[int] = set()
        self._more = True  # whether the index may know some that are not here
        self._last: Order = _START  # those that are only in the index come after it

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

    def head(self, source: Source) -> Order | None:
        """Return the next job, None if there is none or the lane is closed."""
        if self.closed:
            return None
        while True:
            while self._orders and self._orders[0][2] not in self._members:
                heapq.heappop(self._orders)
            if self._orders:
                return self._orders[0]
            if not self._more:
                return None
            self._refill(source)

    def _refill(self, source: Source) -> None:
        found = source.best(self.name, self.key, self._last, _REFILL)
        self._more = len(found) == _REFILL
        if found:
            self._last = found[-1]
        self._orders = [order for order in found if order[2] not in self._gone]
        self._members = {order[2] for order in self._orders}


class Headed(Protocol):
    """What has a next job."""

    offered: Order | None

    def head(self, source: Source) -> Order | None: ...


T = TypeVar("T", bound=Headed)


class Heads(Generic[T]):
    """Many that have a next job each; `first` is the one whose next job comes first."""

    def __init__(self) -> None:
        self._all: dict[str, T] = {}
        self._heap: list[tuple[Order, str]] = []

    def get(self, key: str) -> T | None:
        """Return the one of that key."""
        return self._all.get(key)

    def add(self, key: str, one: T) -> T:
        """Take one in, and return it. It is not looked at before it is offered."""
        self._all[key] = one
        return one

    def all(self) -> Iterable[T]:
        """Return all of them."""
        return self._all.values()

    def clear(self) -> None:
        """Forget all of them."""
        self._all.clear()
        self._heap.clear()

    def offer(self, key: str, source: Source) -> None:
        """Look at one whose next job may come sooner than it did."""
        one = self._all[key]
        head = one.head(source)
        if head is not None and head != one.offered:
            self._push(key, one, head)

    def sooner(self, key: str, order: Order) -> None:
        """Be told of a job that became ready, which may be the next one of `key`."""
        one = self._all[key]
        if one.offered is None or order < one.offered:
            self._push(key, one, order)

    def first(self, source: Source) -> T | None:
        """Return the one whose next job, its `offered`, comes first; None if nobody has one."""
        # Of one's entries only that which was offered last counts, and only while it is still
        # the head: who left meanwhile is replaced by the next one.
        while self._heap:
            order, key = self._heap[0]
            one = self._all[key]
            if order != one.offered:
                heapq.heappop(self._heap)
                continue
            head = one.head(source)
            if head == order:
                return one
            one.offered = head
            if head is None:
                heapq.heappop(self._heap)
                continue
            heapq.heapreplace(self._heap, (head, key))
            if self._heap[0][0] is head:
                return one
        return None

    def rival(self) -> Order | None:
        """Return the order before which nobody else's next job comes; None if there is none."""
        # Who is next but one in a heap is one of these. An entry may be out of date, and is too
        # early then: whoever asks looks again too soon.
        return min((order for order, _ in self._heap[1:3]), default=None)

    def _push(self, key: str, one: T, order: Order) -> None:
        one.offered = order
        heapq.heappush(self._heap, (order, key))
