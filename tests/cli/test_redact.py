"""A secret in job data never comes out again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobctl.core.redact import redacted
from jobctl.stores.directory.store import DirectoryStore
from tests.cli.conftest import Cli
from tests.helpers import claim, end, make_job, put

CANARY = "c4n4ry"

DATA = {"user": "ann", "Password": CANARY, "deep": [{"API_KEY": {"x": CANARY}}]}


@pytest.mark.parametrize(
    ("value", "hidden"),
    [
        ({"token": "x"}, {"token": "***"}),
        ({"TOKEN": {"a": [1]}}, {"TOKEN": "***"}),
        ([{"a": {"Token": None, "b": 1}}], [{"a": {"Token": "***", "b": 1}}]),
        ({"tokens": "x"}, {"tokens": "x"}),
        ("token", "token"),
        (None, None),
    ],
)
def test_redacted(value: object, hidden: object) -> None:
    assert redacted(value, ("token",)) == hidden
    assert redacted(value, ()) == value


def test_the_canary(cli: Cli, store: DirectoryStore, tmp_path: Path) -> None:
    (tmp_path / "jobs.toml").write_text('[redact]\nkeys = ["password", "api_key"]\n')
    put(store, make_job("done", data=DATA))
    end(store, claim(store)[0], result=DATA)
    put(store, make_job("open", data=DATA))
    outputs = [
        cli(*line.split())
        for line in (
            "show done", "show done --json", "list", "list --json", "list --jsonl",
            "wait done --json", "cleanup --older-than 0s --dry-run --json",
            "cancel open --dry-run --json", "cancel open --json", "retry open --json",
            "delete open --dry-run --json", "delete open --dry-run",
        )
    ]  # fmt: skip
    for result in outputs:
        assert result.code == 0
        assert CANARY not in result.out + result.err
    shown = json.loads(outputs[1].out)
    assert shown["data"] == shown["result"]
    assert shown["data"] == {"user": "ann", "Password": "***", "deep": [{"API_KEY": "***"}]}
    assert '"Password": "***"' in outputs[0].out
