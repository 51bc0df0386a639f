"""Errors: one or two lines on stderr, nothing on stdout, the right exit code."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobctl import bootstrap
from jobctl import errors as all_errors
from jobctl.cli.tree import COMMANDS
from jobctl.errors import JobctlError
from tests.cli.conftest import Cli

USAGE = [
    (["ad"], "there is no command 'ad': did you mean add?\nSee jobctl --help"),
    (["xyzzy"],
     f"there is no command 'xyzzy': there are {', '.join(COMMANDS)}\nSee jobctl --help"),
    (["config", "chek"],
     "no such command 'chek'. Did you mean 'check'?\nSee jobctl config --help"),
    (["schedule", "lits"],
     "no such command 'lits'. Did you mean 'list'?\nSee jobctl schedule --help"),
    (["list", "--limt", "3"],
     "no such option: --limt: did you mean --limit?\nSee jobctl list --help"),
    (["--stor", "x", "list"],
     "no such option: --stor: did you mean --store?\nSee jobctl --help"),
    (["list", "-Z"], "no such option: -Z\nSee jobctl list --help"),
    (["list", "--limit", "ten"],
     "invalid value for '--limit': 'ten' is not a whole number\nSee jobctl list --help"),
    (["list", "--limit", "0"],
     "invalid value for '--limit': 0 is too small: use 1 or more\nSee jobctl list --help"),
    (["list", "--offset", "-1"],
     "invalid value for '--offset': -1 is too small: use 0 or more\nSee jobctl list --help"),
    (["run", "--concurrency", "0"],
     "invalid value for '--concurrency': 0 is too small: use 1 or more\nSee jobctl run --help"),
    (["list", "--status", "faild"], "status 'faild' is unknown: did you mean failed?"),
    (["list", "extra"],
     "filter: 'extra' is no term such as status:failed; quote a value that has spaces\n"
     "  extra\n  ^"),
    (["list", "-q", "--json"], "--json, --jsonl and -q exclude each other: give one"),
    (["health", "\x1b[31m"],
     "got unexpected extra argument(s) (\\x1b[31m)\nSee jobctl health --help"),
    (["stats", "\x1b[31m"],
     "filter: '\\x1b[31m' is no term such as status:failed; quote a value that has spaces\n"
     "  \\x1b[31m\n  ^"),
]  # fmt: skip


@pytest.mark.parametrize(("typed", "message"), USAGE)
def test_usage(cli: Cli, typed: list[str], message: str) -> None:
    assert cli(*typed) == (2, "", f"jobctl: {message}\n")


def test_alone_it_shows_the_commands(cli: Cli) -> None:
    for typed in ([], ["config"]):
        result = cli(*typed)
        assert (result.code, result.out) == (2, "")
        assert result.err.startswith("Usage: jobctl")
    assert all(f"  {name} " in cli("--help").out for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(cli: Cli, name: str) -> None:
    result = cli(name, "--help")
    assert (result.code, result.err) == (0, "")
    assert "--store" in result.out
    assert result == cli(name, "-h")


def test_higher_runs_first_is_said(cli: Cli) -> None:
    assert "Higher runs first" in cli("add", "--help").out


@pytest.mark.parametrize(
    "kind",
    [
        kind
        for kind in vars(all_errors).values()
        if isinstance(kind, type) and issubclass(kind, JobctlError)
    ],
)
def test_every_error_has_its_exit_code(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, kind: type[JobctlError]
) -> None:
    def fail(config: object) -> None:
        raise kind("it is \x1b[31mbroken")

    monkeypatch.setattr(bootstrap, "open_queue", fail)
    assert cli("stats") == (kind.exit_code, "", "jobctl: it is \\x1b[31mbroken\n")
    # Opened once, reported once, however many ids there are.
    assert cli("retry", "a", "b") == (kind.exit_code, "", "jobctl: it is \\x1b[31mbroken\n")


def test_a_bug_is_called_one(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(config: object) -> None:
        raise KeyError("oops")

    monkeypatch.setattr(bootstrap, "open_queue", fail)
    assert cli("stats") == (
        1,
        "",
        "jobctl: KeyError: 'oops'\n"
        "This is a bug in jobctl; JOBCTL_DEBUG=1 shows where it happened\n",
    )
    monkeypatch.setenv("JOBCTL_DEBUG", "1")
    assert "Traceback" in cli("stats").err


def test_ctrl_c_is_quiet(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(config: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(bootstrap, "open_queue", interrupt)
    assert cli("stats") == (130, "", "")


def test_a_store_that_is_none(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    result = cli("stats", "--store", "file")
    assert (result.code, result.out) == (5, "")
    assert result.err.startswith(f"jobctl: {tmp_path}/file is not a folder")


def test_a_configuration_that_is_wrong(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "jobs.toml").write_text("[run]\nconcurency = 3\ntimeout = 'x'\n")
    result = cli("list")
    assert (result.code, result.out) == (2, "")
    assert [line.partition("jobs.toml")[2][:3] for line in result.err.splitlines()] == [
        ":2:",
        ":3:",
    ]


def test_store_and_config_before_and_after_the_command(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text('[store]\npath = "theirs"\n')
    assert cli("--store", "one", "add", "a", "--id", "x").code == 0
    assert cli("list", "-q", "--store", "one").out == "x\n"
    assert cli("--store", "two", "list", "-q", "--store", "one").out == "x\n"
    assert cli("--store", "one", "list", "-q", "--store", "two").out == ""
    assert cli("--config", "nope.toml", "list").code == 2
    assert cli("list", "--config", "nope.toml").code == 2
    assert cli("config", "check", "--config", "nope.toml").code == 2
    assert cli("config", "--config", "nope.toml", "check").code == 2
    assert cli("--config", "nope.toml", "config", "check").code == 2


def test_version(cli: Cli) -> None:
    from jobctl import __version__

    assert cli("--version") == (0, f"{__version__}\n", "")
