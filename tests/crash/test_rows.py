"""What a handler may do to its worker: each row of the table, by a real daemon."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.cgroups import memory_cgroup
from tests.crash.rows import play
from tests.crash.table import CONFIG, MIB, OOM, ROWS, Row
from tests.crash.verdict import faults
from tests.helpers import eventually
from tests.runtime.rig import Rig, alive

HANDLERS = (Path(__file__).parent / "row_handlers.py").read_text()


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A rig with a daemon that plays all rows, so that what one spoils shows in the next."""
    made = Rig(tmp_path_factory.mktemp("rows"), HANDLERS, CONFIG)
    made.start()
    yield made
    made.close()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.what)
def test_row(rig: Rig, row: Row) -> None:
    assert faults(row, play(rig, row)) == []


@pytest.mark.root
def test_out_of_memory(tmp_path: Path) -> None:
    with memory_cgroup(150 * MIB) as group:
        if isinstance(group, str):
            pytest.skip(group)
        rig = Rig(tmp_path / "oom", HANDLERS, CONFIG)
        rig.prefix = group.enter()
        try:
            daemon = rig.start()
            server = rig.server_pid()
            assert faults(OOM, play(rig, OOM)) == []
            # It is the worker that went, and nobody else.
            assert daemon.poll() is None
            assert alive(server)
            assert rig.server_pid() == server
        finally:
            rig.close()
            eventually(group.empty)
