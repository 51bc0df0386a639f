"""The upkeep of a store put together: examined, repaired, its clock confirmed."""

from __future__ import annotations

from pathlib import Path

import msgspec

from jobctl import bootstrap
from jobctl.clock import SystemClock
from jobctl.config import Config
from jobctl.core.finding import Examined
from jobctl.services import clockfile


def examine(config: Config, *, repair: bool = False) -> Examined:
    """Say what is wrong with the configured store, and with `repair` mend it.

    Raises StoreError if there is no store, or it may not be read; StoreBusy if a repair
    would move it beneath a daemon.
    """
    from jobctl.stores.directory import doctor

    root = bootstrap.store_folder(config)
    now = SystemClock().now()
    if repair:
        from jobctl.stores.directory.repair import repair as mend

        found = mend(root, now)
    else:
        found = doctor.examine(root, now)
    findings = [*found.findings, *clockfile.check_clock(root)]
    return msgspec.structs.replace(found, findings=findings)


def trust_clock(config: Config) -> bool:
    """Say that the wall clock is right; return whether anybody doubted it.

    Raises StoreError.
    """
    from jobctl.stores.directory.layout import store_error

    root: Path = bootstrap.store_folder(config)
    if not clockfile.check_clock(root):
        return False
    try:
        clockfile.confirm(root, SystemClock())
    except OSError as err:
        raise store_error(err, root) from err
    store = bootstrap.open_store(config)
    store.wake()
    store.close()
    return True
