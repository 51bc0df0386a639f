"""The daemon: one process that claims jobs, has workers run them, and writes how they ended.

It never imports user code.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress

from jobctl.clock import Clock
from jobctl.core.store import Seat, Store
from jobctl.errors import StoreError, StoreUnwritable
from jobctl.runtime.estate import Estate
from jobctl.runtime.family import Family
from jobctl.runtime.inuse import InUse
from jobctl.runtime.log import Log
from jobctl.runtime.serving import Serving
from jobctl.runtime.settings import Settings
from jobctl.runtime.slots import Slots
from jobctl.runtime.start import recover_all
from jobctl.runtime.systemd import Manager
from jobctl.runtime.teller import Teller


class Daemon:
    """One run of a daemon, from taking the seat to leaving it."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        clock: Clock,
        log: Log,
        reread: Callable[[], Settings] | None = None,
        companion: AbstractContextManager[object] | None = None,
    ) -> None:
        """Make a daemon of `store`. `reread` reads the settings anew, for a reload.

        `companion` is a context that holds while it serves.
        """
        self._store = store
        self._settings = settings
        self._reread = reread or (lambda: settings)
        self._clock = clock
        self._log = log
        self._companion = companion or nullcontext()

    def run(self, *, burst: bool = False, standby: bool = False) -> None:
        """Serve until a signal asks to stop; with `burst`, until nothing more is due.

        Raises StoreBusy if there is a daemon already (unless `standby`: then wait for its
        end), HandlerError if the handlers do not import, StoreError if the store fails.
        """
        with (
            self._store.seat(wait=standby) as seat,
            Teller(seat.folder, self._settings, self._clock) as teller,
        ):
            family = Family(seat.folder)
            begun = family.end_previous()
            remains = Estate(self._settings.files, self._settings.max_log).recover()
            slots_fd = _open_slots(family, self._settings.slots)
            serving, in_use = self._compose(seat, family, slots_fd, teller)
            at_work = False
            try:
                server = in_use.start(serving.servers, self._prepare)
                options = in_use.settings.options
                now = self._clock.now()
                found = recover_all(self._store, begun, remains, options, now, self._log)
                serving.recovered(found)
                family.recovered()
                at_work = True
                with self._companion:
                    serving.serve(server, burst)
                at_work = False
            finally:
                serving.servers.close()
                os.close(slots_fd)
                if not at_work:
                    family.clear()  # else jobs run in the store: see end_previous

    def _prepare(self) -> None:
        """Have the index there, and caught up, before the first claim.

        The handlers are imported meanwhile, by another process, and that takes longer.
        """
        with suppress(StoreError):  # who needs it says so, after what is wrong with handlers
            self._store.stats()

    def _compose(
        self, seat: Seat, family: Family, slots_fd: int, teller: Teller
    ) -> tuple[Serving, InUse]:
        manager = Manager()
        in_use = InUse(
            self._settings,
            self._reread,
            folder=seat.folder,
            clock=self._clock,
            log=self._log,
            manager=manager,
            teller=teller,
        )
        serving = Serving(
            self._store,
            seat,
            family,
            in_use,
            slots_fd,
            clock=self._clock,
            log=self._log,
            manager=manager,
            teller=teller,
        )
        return serving, in_use


def _open_slots(family: Family, count: int) -> int:
    try:
        family.write()
        return Slots.create(family.slots_path, count)
    except OSError as err:
        path = err.filename2 or err.filename or family.slots_path.parent
        raise StoreUnwritable(f"{path} cannot be written: {err.strerror}") from err
