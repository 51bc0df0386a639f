"""How much may be handed out: a long job gets a worker to itself, short ones share."""

from __future__ import annotations

from collections.abc import Collection

from jobctl.core.store import Verdict

#: Seconds of work that a worker holds at most, as short jobs that wait for each other.
IN_HAND = 0.005
#: Jobs that a worker holds at most.
MOST = 128
#: A name whose jobs take longer than this on average, in seconds, is not short.
SHORT = 0.002
# The weight of the newest duration in the mean: about the last ten count.
_WEIGHT = 0.1


class Durations:
    """A running mean of how long the jobs of each name take, in seconds."""

    def __init__(self) -> None:
        self._means: dict[str, float] = {}

    def note(self, name: str, seconds: float) -> None:
        """Take in how long one took."""
        mean = self._means.get(name)
        self._means[name] = seconds if mean is None else mean + _WEIGHT * (seconds - mean)

    def cost(self, name: str) -> float | None:
        """Return the expected duration of a short job; None for a long or unknown one."""
        mean = self._means.get(name)
        return None if mean is None or mean > SHORT else max(mean, IN_HAND / MOST)


class Plan:
    """What the pool can take at one moment. It is the gate of one claim.

    `free` workers are at nothing; each of `rooms` is what a busy one may still be given, in
    seconds. A name outside `names` needs no worker: its jobs fail at once.
    """

    def __init__(
        self, durations: Durations, free: int, rooms: list[float], names: Collection[str]
    ) -> None:
        self._durations = durations
        self._free = free
        self._rooms = rooms
        self._names = names

    @property
    def room(self) -> bool:
        """Whether anything fits."""
        return self._free > 0 or any(room > 0 for room in self._rooms)

    def admit(self, name: str, key: str | None) -> Verdict:
        """Find a place for a job of this name, and take it.

        When the best job does not fit nothing is taken: a long job must not be overtaken
        for ever by the short ones behind it.
        """
        if name not in self._names:
            # With no handlers at all somebody has yet to configure them: the jobs wait.
            return Verdict.TAKE if self._names else Verdict.CLOSED
        cost = self._durations.cost(name)
        if self._free > 0:
            self._free -= 1
            if cost is not None:
                self._rooms.append(IN_HAND - cost)
            return Verdict.TAKE
        if cost is None or not self._rooms:
            return Verdict.FULL
        best = max(range(len(self._rooms)), key=self._rooms.__getitem__)
        if self._rooms[best] < cost:
            return Verdict.FULL
        self._rooms[best] -= cost
        return Verdict.TAKE
