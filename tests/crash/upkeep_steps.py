"""Restore or repair a store, to be killed meanwhile.

Run with `restore STORE BACKUP` or `repair STORE`.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

from jobctl.stores.directory import journal
from jobctl.stores.directory.repair import repair
from jobctl.stores.directory.restore import restore

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def main() -> None:
    journal.SEGMENT_SIZE = 1500
    verb, path, *more = sys.argv[1:]
    if verb == "repair":
        repair(Path(path), NOON)
    else:
        restore(Path(path), Path(more[0]), NOON, force=True)


if __name__ == "__main__":
    main()
