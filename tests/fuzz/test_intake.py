"""JSON and configurations from outside, in a terminal, in a file or over HTTP."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobctl import config
from jobctl.cli import jobdata, jsonlines
from jobctl.clock import SystemClock
from jobctl.config.find import DROP_INS
from jobctl.core.data import parse_json
from jobctl.core.intake import MAX_DATA, new_job
from jobctl.core.options import OPTIONS
from jobctl.errors import ConfigError, InvalidJob
from jobctl.services.queue import QueueService
from jobctl.stores.memory import MemoryStore
from tests.fuzz.mutating import as_bytes, json_values, mutated, tries
from tests.helpers import NOON, ROOT

EXAMPLE = (ROOT / "jobs.toml.example").read_text()
TABLES = [
    EXAMPLE,
    '[run]\nconcurrency = 3\nbackoff = { base = "1s", cap = "1h", jitter = 0.1 }\n',
    '[limits]\n"send-email" = { concurrency = 2, rate = "100/m", timeout = "30s" }\n',
    '[schedules.x]\ncron = "*/5 * * * *"\ntimezone = "Europe/Berlin"\njob = "x"\n',
    '[schedules.y]\nevery = "90s"\nstart = 2026-11-24T12:00:00Z\njob = "y"\ndata = { a = [1] }',
    '[retention]\ncompleted = "7d"\nfailed = { age = "30d", count = 10 }\nticks = "90d"\n',
    '[alerts]\non_dead = { job = "x" }\nevery = "5m"\n',
    '[dashboard]\nhost = "127.0.0.1"\nport = 8642\nadd_rate = "600/m"\n',
]
DROP_IN = '[schedules.z]\ncron = "@hourly"\njob = "z"\n'
SPECS = [
    '{"name":"x","data":{"a":[1,2.5,null,true,"\\u00e9"]},"priority":1,"tags":["t"]}',
    '{"name":"x","delay":"5m","id":"a","after":["b"],"if_exists":"keep","timeout":1.5}',
    '{"name":"x","run_at":"2026-11-24T12:00:00Z","backoff":[1,2],"max_retries":0}',
    '{"name":"x","backoff":{"base":"1s","cap":"1h","jitter":0.1},"concurrency_key":"k"}',
]


@given(text=mutated([*SPECS, "[1, 2]", '"x"', "1e3", "-0"]))
@tries
def test_json(text: str) -> None:
    for given_text in (text, as_bytes(text)):
        try:
            value = parse_json(given_text, "data")
        except InvalidJob:
            continue
        try:
            job = new_job("x", value, {}, now=NOON)
        except InvalidJob:
            continue
        assert msgspec.json.decode(msgspec.json.encode(job.data)) == job.data
        assert json.loads(json.dumps(job.data)) == job.data


@given(value=json_values, option=st.sampled_from(sorted(OPTIONS)), other=json_values)
@tries
def test_values_of_a_program(value: Any, option: str, other: Any) -> None:
    try:
        job = new_job("x", value, {option: other}, now=NOON, max_data=MAX_DATA)
    except InvalidJob:
        return
    text = msgspec.json.encode(job)
    assert msgspec.json.encode(msgspec.json.decode(text, type=type(job))) == text


@given(
    texts=st.lists(
        mutated(["key=value", "key:=[1]", '{"a":1}', "a=b=c", ":=1", "x"]), max_size=3
    )
)
@tries
def test_arguments(texts: list[str]) -> None:
    try:
        jobdata.from_arguments(texts)
    except InvalidJob:
        pass


@given(texts=st.lists(mutated(SPECS), max_size=4))
@tries
def test_files_of_jobs(texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "jobs.jsonl"
    path.write_bytes(b"\n".join(map(as_bytes, texts)))
    queue = QueueService(MemoryStore(), SystemClock())
    try:
        found = jsonlines.read(str(path), queue.check)
    except InvalidJob as err:
        assert "line" in str(err)
    else:
        assert len(found.specs) <= sum(len(text.splitlines()) for text in texts) + len(texts)
    finally:
        queue.close()


@given(text=mutated(TABLES), more=mutated([DROP_IN]), deep=st.booleans())
@tries
def test_configurations(
    text: str, more: str, deep: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / "fuzz-config"
    drop_ins = folder / DROP_INS
    drop_ins.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    drop_ins.chmod(0o700)
    for path, content in ((folder / "jobs.toml", text), (drop_ins / "z.toml", more)):
        path.write_bytes(as_bytes(content))
        path.chmod(0o600)
    environ: Mapping[str, str] = {"HOME": str(folder), "TZ": "UTC"}
    faults = config.check(folder / "jobs.toml", environ=environ, cwd=folder)
    for fault in faults:
        assert fault.message
        assert str(fault).count("\n") == 0
    try:
        config.load(folder / "jobs.toml", environ=environ, cwd=folder, deep=deep)
    except ConfigError as err:
        assert str(err)
    else:
        assert faults == [] or not deep


def test_the_samples_are_right(tmp_path: Path) -> None:
    for text in TABLES:
        (tmp_path / "jobs.toml").write_text(text)
        assert config.check(tmp_path / "jobs.toml", environ={}, cwd=tmp_path) == [], text
    for spec in SPECS:
        new_job(
            "x", None, {k: v for k, v in json.loads(spec).items() if k in OPTIONS}, now=NOON
        )
