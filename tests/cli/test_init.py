"""init, config check and run, from an empty folder to a job that ran."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jobctl import bootstrap
from tests.cli.conftest import Cli


@pytest.fixture(autouse=True)
def no_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOBCTL_STORE")


def test_init_overwrites_nothing(cli: Cli, tmp_path: Path) -> None:
    assert cli("init") == (
        0,
        "jobs.toml\nhandlers.py\n",
        "note: next: jobctl add hello name=you; jobctl run --burst; jobctl list\n",
    )
    before = (tmp_path / "jobs.toml").read_text()
    again = (4, "", "jobctl: jobs.toml is there already: nothing was written\n")
    assert cli("init") == again
    (tmp_path / "jobs.toml").unlink()
    assert cli("init").code == 4
    assert not (tmp_path / "jobs.toml").exists()
    assert cli("init", "sub/folder").out == "sub/folder/jobs.toml\nsub/folder/handlers.py\n"
    assert (tmp_path / "sub/folder/jobs.toml").read_text() == before
    (tmp_path / "file").write_text("")
    assert cli("init", "file").code == 1


def test_config_check(cli: Cli, tmp_path: Path) -> None:
    assert cli("config", "check") == (0, "", "note: the configuration is fine\n")
    file = tmp_path / "jobs.toml"
    file.write_text("[run]\nconcurency = 3\n")
    result = cli("config", "check")
    assert result.code == 2
    assert result.out.startswith(f"{file}:2: run.concurency: ")
    as_json = cli("config", "check", "--json")
    assert as_json.code == 2
    [fault] = json.loads(as_json.out)
    assert list(fault) == ["file", "line", "key", "message"]
    assert (fault["file"], fault["line"], fault["key"]) == (str(file), 2, "run.concurency")
    file.write_text("")
    assert cli("config", "check", "--json") == (0, "[]\n", "")


def test_config_check_shows_a_traceback_line_by_line(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "jobs.toml").write_text('[run]\nhandlers = ["broken"]\n')
    (tmp_path / "broken.py").write_text('raise RuntimeError("\\x1b[31m")\n')
    code, out, err = cli("config", "check")
    assert (code, err) == (2, "")
    first, *others = out.splitlines()
    assert first.endswith("jobs.toml: run.handlers: broken does not import:")
    assert others[0] == "Traceback (most recent call last):"
    assert others[-1] == "RuntimeError: \\x1b[31m"


def test_run_hands_its_flags_over(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[Any, dict[str, Any]]] = []

    def run_daemon(config: Any, **flags: Any) -> int:
        calls.append((config, flags))
        return 5

    monkeypatch.setattr(bootstrap, "run_daemon", run_daemon)
    flags = ["--concurrency", "3", "--handlers", "a", "--handlers", "b.py", "--burst"]
    assert cli("run", *flags, "--standby", "--dashboard", "--process", "n=m:f").code == 5
    [(config, given)] = calls
    assert (config.run.concurrency, config.run.handlers) == (3, ("a", "b.py"))
    assert given.pop("reread")().run == config.run  # what a reload goes by
    assert given == {
        "burst": True,
        "standby": True,
        "processes": ["n=m:f"],
        "stop_on_eof": False,
        "dashboard": True,
    }
