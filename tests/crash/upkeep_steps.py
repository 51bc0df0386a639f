"""Restore or repair a store, to be killed meanwhile."""

from __future__ import annotations

from pathlib import Path

from jobctl.stores.directory import journal
from jobctl.stores.directory.repair import repair
from jobctl.stores.directory.restore import restore
from tests.helpers import NOON


def keep_up(verb: str, path: str, *backup: str) -> None:
    """Do what `jobctl doctor --repair` or `jobctl restore` does."""
    journal.SEGMENT_SIZE = 1500
    if verb == "repair":
        repair(Path(path), NOON)
    else:
        restore(Path(path), Path(backup[0]), NOON, force=True)
