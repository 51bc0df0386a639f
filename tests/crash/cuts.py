"""What can happen to a store on a disk whose power is cut."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tests.crash.powercut import DROP, FLUSH
from tests.crash.tracer import Call, Tracee


class Cut(NamedTuple):
    """What happens at which calls, before the power is cut.

    `late` lets the kernel write back all that it has.
    """

    what: str
    mode: int = DROP
    late: bool = False
    fits: Callable[[Tracee, Call], bool] = lambda tracee, call: True
    strike: Callable[[Tracee, Call], object] = lambda tracee, call: None


#: What can happen, by name.
CUTS = {
    "drop": Cut("power cut, log dropped"),
    "flush": Cut("power cut, log flushed", FLUSH),
    "late": Cut("power cut, all written back", late=True),
    "torn": Cut(
        "power cut, half a write done",
        late=True,
        fits=Tracee.can_halve,
        strike=Tracee.make_half,
    ),
    "pages": Cut(
        "power cut, the last page of a write done",
        FLUSH,
        fits=Tracee.crosses_page,
        strike=Tracee.make_last_page,
    ),
    # The disk fails while somebody waits for it, and the power is cut later.
    "error": Cut("EIO of the disk, then power cut"),
}
