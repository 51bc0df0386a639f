"""The upkeep of a store put together: is it well, examined, repaired, backed up, restored."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from jobctl import bootstrap
from jobctl.clock import SystemClock
from jobctl.config import Config
from jobctl.core.finding import Examined
from jobctl.errors import StoreError
from jobctl.services import clockfile

if TYPE_CHECKING:
    from jobctl.core.schedule import Schedule
    from jobctl.services.health import Health
    from jobctl.stores.directory.backup import Manifest
    from jobctl.stores.directory.restore import Restored


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


def check_health(config: Config, max_wait: float, schedules: Collection[Schedule]) -> Health:
    """Say whether jobs are being run; one may be due for `max_wait` seconds.

    Of the `schedules` none may be overdue. A store that cannot be opened is a finding.
    """
    from jobctl.services.health import Check, Health, examine

    try:
        # Opened, it would be made: and for the wrong user, if root asks before it is there.
        os.stat(Path(config.store) / "store.json")
        store = bootstrap.open_store(config)
    except FileNotFoundError:
        missing = f"there is no store at {config.store}: start `jobctl run`"
        return Health.of(Check("store", False, missing))
    except OSError as err:
        return Health.of(Check("store", False, f"{config.store}: {err.strerror}"))
    except StoreError as err:
        return Health.of(Check("store", False, str(err)))
    try:
        return examine(store, SystemClock().now(), max_wait=max_wait, schedules=schedules)
    finally:
        store.close()


def trust_clock(config: Config) -> bool:
    """Say that the wall clock is right; return whether anybody doubted it.

    Raises StoreError.
    """
    from jobctl.stores.directory.layout import store_error

    root = bootstrap.store_folder(config)
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


def backup(config: Config, target: Path, *, logs: bool, force: bool) -> Manifest:
    """Write the store into a file. Raises Conflict if that is there, unless `force`;
    StoreError.
    """
    from jobctl.stores.directory.backup import backup as write

    root = bootstrap.store_folder(config)
    return write(root, target, SystemClock().now(), logs=logs, force=force)


def restore(config: Config, source: Path, *, force: bool) -> Restored:
    """Put the store of a backup where the configured one is, or shall be.

    Raises Conflict if there is one, unless `force`; StoreError.
    """
    from jobctl.stores.directory.restore import restore as put

    return put(bootstrap.store_folder(config), source, SystemClock().now(), force=force)


def check_backup(source: Path) -> Manifest:
    """Return what a backup holds. Raises StoreError if it is not whole."""
    from jobctl.stores.directory.restore import check

    return check(source)
