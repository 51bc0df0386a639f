"""jobctl doctor in a terminal: what it says, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

from jobctl.stores.directory.store import DirectoryStore
from tests.cli.conftest import Cli
from tests.helpers import make_job, put
from tests.stores.tools import drop_index, segment


def test_all_is_well(cli: Cli, store: DirectoryStore) -> None:
    put(store, make_job("a"))
    assert cli("doctor") == (0, "", "note: read 2 lines in 1 segment: all is well\n")
    assert cli("doctor", "--json").out == "[]\n"


def test_a_damaged_line_is_said_mended_and_gone(
    cli: Cli, store: DirectoryStore, tmp_path: Path
) -> None:
    put(store, make_job("a"))
    put(store, make_job("b"))
    text = segment(tmp_path / "store").read_bytes()
    at = text.index(b'{"kind":"job","id":"b"')
    segment(tmp_path / "store").write_bytes(text.replace(b'"id":"b"', b'"id":"x"'))
    drop_index(tmp_path / "store")
    said = (
        f"journal/00000001.jsonl:3 byte {at}  "
        f"not a line of ours, or damaged: {len(text) - at} bytes that do not count"
    )
    code, out, err = cli("doctor")
    assert code == 1
    assert out.splitlines()[1] == f"line  {said}"
    assert (
        err
        == "note: read 3 lines in 1 segment; jobctl doctor --repair mends what can be mended\n"
    )
    [one] = json.loads(cli("doctor", "--json").out)
    assert one == {
        "code": "line",
        "path": "journal/00000001.jsonl",
        "message": said.split("  ")[1],
        "offset": at,
        "length": len(text) - at,
        "line": 3,
        "job": None,
        "repairable": True,
        "repaired": False,
    }
    code, out, err = cli("doctor", "--repair")
    assert code == 0
    assert out.splitlines()[1] == f"mended  {said}"
    assert err == "note: read 3 lines in 1 segment: all is well now\n"
    assert cli("doctor").code == 0
    assert cli("list", "-q").out == "a\n"


def test_there_is_nothing_to_examine(cli: Cli, tmp_path: Path) -> None:
    code, out, err = cli("doctor")
    assert (code, out) == (5, "")
    assert "no store" in err
    assert not (tmp_path / "store").exists()


def test_a_repair_beside_a_daemon(cli: Cli, store: DirectoryStore) -> None:
    with store.seat():
        assert cli("doctor").code == 0
        code, _, err = cli("doctor", "--repair")
    assert code == 5
    assert "is the daemon of" in err


def test_a_clock_that_was_confirmed(cli: Cli, store: DirectoryStore, tmp_path: Path) -> None:
    from jobctl.services.clockfile import ClockRecord, take_confirmation, write_record
    from tests.helpers import NOON

    put(store, make_job("a"))
    assert "nobody doubts the clock" in cli("doctor", "--trust-clock").err
    write_record(store.files, ClockRecord("boot", 0.0, NOON, 3600.0))
    code, out, _ = cli("doctor")
    assert code == 1
    assert "for another 1h" in out
    assert "--trust-clock" in out
    code, _, err = cli("doctor", "--trust-clock")
    assert code == 0
    assert "the clock is trusted again" in err
    assert not take_confirmation(store.files, 0.0), "the clock is another one now"
