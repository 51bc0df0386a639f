"""backup, restore and export in a terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobctl.stores.directory.store import DirectoryStore
from tests.cli.conftest import Cli
from tests.helpers import after, claim, end, ids, make_job, put, there


def test_there_and_back(cli: Cli, store: DirectoryStore, tmp_path: Path) -> None:
    put(store, make_job("a"))
    code, out, err = cli("backup", "b.tar")
    assert (code, out) == (0, "b.tar\n")
    assert err.startswith("note: 2 files of the store, ")
    put(store, make_job("b"))
    code, _, err = cli("restore", "b.tar")
    assert code == 4
    assert "--force" in err
    code, out, err = cli("restore", "b.tar", "--force")
    assert (code, out) == (0, f"{tmp_path}/store\n")
    assert err.splitlines() == [
        "note: the store is as it was at 2026-11-24 13:00:00+01:00",
        f"note: the one that was there is {tmp_path}/store.20261124T120000Z.old",
    ]
    assert cli("list", "-q").out == "a\n"
    assert (
        cli("list", "-q", "--store", f"{tmp_path}/store.20261124T120000Z.old").out == "b\na\n"
    )


def test_as_json(cli: Cli, store: DirectoryStore, tmp_path: Path) -> None:
    put(store, make_job("a"))
    made = json.loads(cli("backup", "b.tar", "--json").out)
    assert (made["file"], made["files"]) == ("b.tar", 2)
    assert cli("backup", "b.tar").code == 4
    assert cli("backup", "b.tar", "--force").code == 0
    assert json.loads(cli("restore", "b.tar", "--check", "--json").out)["files"] == 2
    done = json.loads(cli("restore", "b.tar", "--store", "new", "--json").out)
    assert done == {
        "store": f"{tmp_path}/new",
        "made_at": "2026-11-24T12:00:00Z",
        "aside": None,
    }


def test_no_backup(cli: Cli, tmp_path: Path) -> None:
    assert cli("backup", "b.tar").code == 5
    assert cli("restore", "b.tar").code == 2
    (tmp_path / "b.tar").write_text("text")
    code, _, err = cli("restore", "b.tar")
    assert code == 5
    assert "is no whole backup" in err
    assert not (tmp_path / "store").exists()


def test_what_was_wrong_with_it_is_said(
    cli: Cli, store: DirectoryStore, tmp_path: Path
) -> None:
    put(store, make_job("a"))
    segment = tmp_path / "store" / "journal" / "00000001.jsonl"
    segment.write_bytes(segment.read_bytes().replace(b'"id":"a"', b'"id":"b"'))
    cli("backup", "b.tar")
    assert "1 thing was wrong with it then" in cli("restore", "b.tar", "--store", "new").err


@pytest.fixture
def full(store: DirectoryStore) -> DirectoryStore:
    """A store with jobs in several states, the oldest first: done, waits, and others."""
    put(store, make_job("done", priority=9))
    [job] = claim(store)
    end(store, job)
    fields = {"tags": ("t",), "priority": 3, "timeout": 5.0, "max_retries": 1}
    put(store, make_job("waits", data={"password": "secret"}, after=("done",), **fields))
    put(store, make_job("delayed", run_at=after(3600)), make_job("works", priority=10))
    assert ids(claim(store)) == ["works"]
    shell = {"argv": ["ls", "-l"], "cwd": "/", "env": {"A": "b"}}
    put(store, make_job("shell", shell=shell))
    return store


def test_export_is_every_job_the_oldest_first(cli: Cli, full: DirectoryStore) -> None:
    code, out, err = cli("export")
    assert (code, err) == (0, "")
    records = [json.loads(line) for line in out.splitlines()]
    assert [one["id"] for one in records] == ["done", "waits", "delayed", "works", "shell"]
    assert records[1] == json.loads(cli("show", "waits", "--json").out)
    lines = cli("export", "status:pending", "priority>0").out.splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["waits"]


def test_what_is_exported_can_be_added(cli: Cli, full: DirectoryStore, tmp_path: Path) -> None:
    exported = cli("export").out
    code, out, err = cli("add", "--from", "-", "--store", "new", stdin=exported)
    assert code == 0
    assert out == "waits\ndelayed\nshell\n"
    assert "2 lines left out: jobs that are not pending" in err
    new = DirectoryStore(tmp_path / "new")
    same = ("data", "priority", "max_retries", "run_at", "timeout", "tags", "backoff", "shell")
    for job_id in ("waits", "delayed", "shell"):
        old = there(full, job_id)
        assert [getattr(there(new, job_id), f) for f in same] == [getattr(old, f) for f in same]
    assert there(new, "waits").after == ()
    new.close()
    again = cli("add", "--from", "-", "--store", "new", stdin=exported)
    assert again.out == out, "an id that is there is kept"


def test_what_a_configuration_hides(cli: Cli, full: DirectoryStore, tmp_path: Path) -> None:
    (tmp_path / "jobs.toml").write_text('[redact]\nkeys = ["password"]\n')
    code, out, err = cli("export", "name:work")
    assert code == 0
    assert "secret" not in out
    assert "--secrets" in err
    assert "secret" in cli("export", "--secrets").out


@pytest.mark.parametrize(
    "shell", ["1", '{"argv": ["ls"]}', '{"argv": [], "cwd": "/", "env": {}}']
)
def test_a_command_that_is_none(shell: str, cli: Cli) -> None:
    line = f'{{"name": "x", "shell": {shell}}}\n'
    code, _, err = cli("add", "--from", "-", stdin=line)
    assert code == 2
    assert "line 1: shell" in err
