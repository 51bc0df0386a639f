"""How much may be handed out: a long job gets a worker to itself, short ones share."""

from __future__ import annotations

from collections.abc import Collection

from jobctl.core.limits import Limits
from jobctl.core.store import Verdict

#: Seconds of work that a worker holds at most, as short jobs that wait for each other.
IN_HAND = 0.005
#: Jobs that a worker holds at most.
MOST = 256
#: A name whose jobs take longer than this on average, in seconds, is not short.
SHORT = 0.002
#: What a job counts for at least, so that a worker holds no more than MOST.
_LEAST = IN_HAND / MOST
# The weight of the newest duration in the mean: about the last ten count.
_WEIGHT = 0.1
_TAKE = Verdict.TAKE


class Durations:
    """A running mean of how long the jobs of each name take, in seconds.

    The names in `apart` never count as short: their jobs run side by side, not in turn.
    """

    def __init__(self, apart: Collection[str] = ()) -> None:
        self._means: dict[str, float] = {}
        self.apart = apart

    def note(self, name: str, seconds: float) -> None:
        """Take in how long one took."""
        mean = self._means.get(name)
        self._means[name] = seconds if mean is None else mean + _WEIGHT * (seconds - mean)

    def cost(self, name: str) -> float | None:
        """Return the expected duration of a short job; None for a long or unknown one."""
        mean = self._means.get(name)
        if mean is None or mean > SHORT or name in self.apart:
            return None
        return mean if mean > _LEAST else _LEAST


class Plan:
    """What the pool can take at one moment. It is the gate of one claim.

    `free` workers are at nothing; each of `rooms` is what a busy one may still be given, in
    seconds. A job of a name outside `names` needs no worker, for it fails at once; a shell
    job needs no name.
    """

    def __init__(
        self,
        durations: Durations,
        free: int,
        rooms: list[float],
        names: Collection[str],
        limits: Limits | None = None,
        now: float = 0.0,
    ) -> None:
        """Make a plan. `limits` are its own: what it admits at `now` (wall clock) counts."""
        self._durations = durations
        self._free = free
        self._rooms = rooms
        self._names = names
        self._limits = Limits({}) if limits is None else limits
        self._now = now
        #: Whether a limit kept a job back that was due.
        self.held_back = False
        #: Whether a job was due that did not fit.
        self.full = False

    @property
    def room(self) -> bool:
        """Whether anything fits."""
        return self._free > 0 or any(room > 0 for room in self._rooms)

    @property
    def opens_at(self) -> float | None:
        """When a rate lets the next job begin, of the wall clock; None if no rate waits."""
        return self._limits.opens_at(self._now)

    def admit(self, name: str, key: str | None, shell: bool = False) -> Verdict:
        """Find a place for a job of this name and concurrency key, and take it.

        When the best job does not fit nothing is taken: a long job must not be overtaken
        for ever by the short ones behind it. One that a limit keeps back is passed over.
        """
        if not shell and name not in self._names:
            # With no handlers at all somebody has yet to configure them: the jobs wait.
            return _TAKE if self._names else Verdict.NAME_CLOSED
        if not self._limits.name_open(name, self._now):
            self.held_back = True
            return Verdict.NAME_CLOSED
        if not self._limits.key_open(key):
            self.held_back = True
            return Verdict.CLOSED
        if not self._take_place(self._durations.cost(name)):
            self.full = True
            return Verdict.FULL
        self._limits.begin(name, key, self._now)
        return _TAKE

    def _take_place(self, cost: float | None) -> bool:
        if self._free > 0:
            self._free -= 1
            if cost is not None:
                self._rooms.append(IN_HAND - cost)
            return True
        if cost is None or not self._rooms:
            return False
        largest = max(self._rooms)
        if largest < cost:
            return False
        self._rooms[self._rooms.index(largest)] = largest - cost
        return True
