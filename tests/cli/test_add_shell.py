"""jobctl add --shell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Cli


def shown(cli: Cli, job_id: str) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(cli("show", job_id.strip(), "--json").out)
    return record


def test_a_command_is_taken_word_by_word(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/bin")
    monkeypatch.setenv("TOKEN", "t")
    code, out, err = cli(
        "add", "--shell", "--env", "TOKEN", "--env", "A=b=c", "--tag", "x",
        "--", "/bin/ls", "--tag", "-l", "a b",
    )  # fmt: skip
    assert (code, err) == (0, "")
    record = shown(cli, out)
    assert (record["name"], record["tags"], record["data"]) == ("ls", ["x"], {})
    shell = record["shell"]
    assert shell["argv"] == ["/bin/ls", "--tag", "-l", "a b"]
    assert shell["cwd"] == str(tmp_path)
    assert {name: shell["env"][name] for name in ("TOKEN", "A", "PATH", "TZ")} == {
        "TOKEN": "t",
        "A": "b=c",
        "PATH": "/bin",
        "TZ": "Europe/Berlin",
    }
    assert "JOBCTL_STORE" not in shell["env"]


def test_a_name_stands_before_the_dashes(cli: Cli) -> None:
    for words in (["nightly", "--shell", "--"], ["--shell", "nightly", "--"]):
        record = shown(cli, cli("add", *words, "true", "--", "x=1").out)
        assert (record["name"], record["shell"]["argv"]) == ("nightly", ["true", "--", "x=1"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--shell"], "the command is missing: write `jobctl add --shell -- CMD ARGS...`"),
        (["--shell", "ls"], "the command is missing"),
        (["--shell", "--"], "the command is missing"),
        (["--shell", "a", "b", "--", "ls"], "'b' is refused: only a NAME stands before the --"),
        (["ls", "--env", "A=1"], "--env is for shell jobs"),
        (["--shell", "--env", "NOT_THERE", "--", "ls"], "'NOT_THERE' is not set here"),
        (["--shell", "--env", "=1", "--", "ls"], "a variable's name has no ="),
        (["--shell", "--data-file", "x", "--", "ls"], "--data-file and --shell do not go"),
        (["--shell", "--from", "x", "--", "ls"], "--from and --shell do not go"),
        (["a b", "--shell", "--", "ls"], "name 'a b' is refused"),
    ],
)
def test_what_makes_no_sense_is_refused(cli: Cli, words: list[str], message: str) -> None:
    code, out, err = cli("add", *words)
    assert (code, out) == (2, "")
    assert message in err.replace('"', "'")
    assert cli("list", "-q").out == ""


def test_secrets_in_its_environment_are_hidden(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "jobs.toml").write_text('[redact]\nkeys = ["token"]\n')
    job_id = cli("add", "--shell", "--env", "TOKEN=hunter2", "--", "true").out.strip()
    assert shown(cli, job_id)["shell"]["env"]["TOKEN"] == "***"
    assert "hunter2" not in cli("show", job_id).out
