"""The unit: as systemd itself reads it, and as we put it in place."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jobctl.errors import ConfigError, Conflict
from jobctl.runtime import install
from jobctl.runtime.unit import Plan, argument, is_untouched, render, word

PLAN = Plan(
    name="jobs",
    python=sys.executable,
    code=[Path("/usr")],
    arguments=["--config", "/srv/app/jobs.toml"],
    folder=Path("/srv/app"),
    store=Path("/srv/app/.jobctl"),
    stop=44.5,
    owner=("backup", "backup"),
)
needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="needs systemd-analyze"
)


def plan(**changes: Any) -> Plan:
    return msgspec.structs.replace(PLAN, **changes)


def service(text: str) -> dict[str, str]:
    """Return what stands in [Service], of each key the last."""
    parser = configparser.RawConfigParser(strict=False, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # keys keep their case
    parser.read_string(text)
    return dict(parser["Service"])


PLANS = {
    "plain": PLAN,
    "root": plan(owner=None),
    "state": plan(store=Path("/var/lib/some/jobs")),
    "home": plan(folder=Path("/home/ann/app"), write_paths=[Path("/home/ann/out")]),
    "root's home": plan(owner=None, code=[Path("/root/venv")]),
    "odd names": plan(
        arguments=["--config", '/srv/my "app" 100%/$x\\y;/jobs.toml', ";"],
        folder=Path('/srv/my "app" 100%/$x\\y;'),
        store=Path('/srv/my "app" 100%/$x\\y;/.jobctl'),
        write_paths=[Path("/srv/it's")],
    ),
}


@needs_systemd
@pytest.mark.parametrize("name", PLANS)
def test_systemd_has_no_word_to_say_and_is_content(name: str, tmp_path: Path) -> None:
    unit = tmp_path / "jobs.service"
    unit.write_text(render(PLANS[name]))
    # Its exit code is 0 for unknown keys too.
    verify = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
    assert verify.stdout + verify.stderr == ""
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(unit)]
    security = subprocess.run(command, capture_output=True, text=True)
    assert security.returncode == 0, security.stdout.splitlines()[-1]


@needs_systemd
def test_user_unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    text = render(plan(user=True, owner=None))
    (tmp_path / "jobs.service").write_text(text)
    command = ["systemd-analyze", "--user", "verify", str(tmp_path / "jobs.service")]
    verify = subprocess.run(command, capture_output=True, text=True)
    assert verify.stdout + verify.stderr == ""
    assert "WantedBy=default.target" in text
    for key in ("User=", "Group=", "Protect", "Capability", "ExecStartPre", "network"):
        assert key not in text


def test_what_the_daemon_needs() -> None:
    found = service(render(PLAN))
    assert found["Type"] == "notify"
    assert found["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert found["TimeoutStopSec"] == "45"
    assert found["KillMode"] == "mixed"
    assert found["OOMPolicy"] == "continue"
    assert found["RestartPreventExitStatus"] == "2"
    assert found["ReadWritePaths"] == "-/srv/app/.jobctl"
    assert found["ProtectHome"] == "yes"
    assert found["PrivateTmp"] == "yes"
    assert "PrivateNetwork" not in found
    assert "IPAddressDeny" not in found


def test_newer_systemd_reloads_by_itself() -> None:
    found = service(render(plan(version=253)))
    assert found["Type"] == "notify-reload"
    assert "ExecReload" not in found


def test_the_store_is_made_as_its_owner() -> None:
    assert "--reuid=backup" in service(render(PLAN))["ExecStartPre"]
    assert "setpriv" not in service(render(plan(owner=None)))["ExecStartPre"]


def test_store_below_var_lib() -> None:
    found = service(render(PLANS["state"]))
    assert found["StateDirectory"] == "some/jobs"
    assert "ExecStartPre" not in found
    assert "ReadWritePaths" not in found


@pytest.mark.parametrize(
    "change",
    [
        {"folder": Path("/home/ann/app")},
        {"store": Path("/home/ann/.jobctl")},
        {"code": [Path("/root/.venv")]},
        {"write_paths": [Path("/home")]},
    ],
)
def test_homes_stay_readable_if_needed(change: dict[str, Any]) -> None:
    assert service(render(plan(**change)))["ProtectHome"] == "read-only"


def test_tmp_is_shared_if_needed() -> None:
    assert service(render(plan(folder=Path("/tmp/app"))))["PrivateTmp"] == "no"


@pytest.mark.parametrize("name", ["", "a b", "../x", "a\n", "-x", "a/b", "x" * 101])
def test_bad_names(name: str) -> None:
    with pytest.raises(ConfigError, match="--name"):
        render(plan(name=name))


@pytest.mark.parametrize("path", ["/a\nb", "/a\\", "/a ", "/a\x1b", "/a\"b'c"])
def test_paths_that_no_unit_can_hold(path: str) -> None:
    with pytest.raises(ConfigError):
        render(plan(folder=Path(path), write_paths=[Path(path)]))


def test_quoting() -> None:
    assert argument("/a/b-c_d.e") == "/a/b-c_d.e"
    assert argument('a "b" $c %d \\e') == '"a \\"b\\" $$c %%d \\\\e"'
    assert argument("") == '""'
    assert word(Path("/a b%")) == '"/a b%%"'
    assert word(Path('/a "b"'), "-") == "'-/a \"b\"'"


def test_untouched() -> None:
    text = render(PLAN)
    assert is_untouched(text)
    assert not is_untouched(text.replace("UMask=0077", "UMask=0022"))
    assert not is_untouched("[Unit]\n")


def test_write(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "jobs.service"
    install.write(path, render(PLAN), force=False)
    newer = render(plan(stop=100))
    install.write(path, newer, force=False)
    assert path.read_text() == newer
    assert path.stat().st_mode & 0o777 == 0o644
    assert [item.name for item in path.parent.iterdir()] == ["jobs.service"]


def test_write_spares_what_is_not_ours(tmp_path: Path) -> None:
    path, elsewhere = tmp_path / "jobs.service", tmp_path / "elsewhere"
    path.write_text("[Unit]\n")
    with pytest.raises(Conflict, match="--force"):
        install.write(path, render(PLAN), force=False)
    assert path.read_text() == "[Unit]\n"
    elsewhere.write_text(render(PLAN))
    path.unlink()
    path.symlink_to(elsewhere)
    with pytest.raises(Conflict):
        install.write(path, render(PLAN), force=False)
    install.write(path, render(plan(stop=1)), force=True)
    assert elsewhere.read_text() == render(PLAN)
    assert path.read_text() == render(plan(stop=1))


def test_write_where_one_may_not(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="--user"):
        install.write(tmp_path / "file" / "jobs.service", "x", force=False)


def test_places() -> None:
    environ = {"XDG_CONFIG_HOME": "/x"}
    path = install.unit_path("a", user=True, environ=environ)
    assert str(path) == "/x/systemd/user/a.service"
    path = install.unit_path("a", user=False, environ=environ)
    assert str(path) == "/etc/systemd/system/a.service"


def test_owner(tmp_path: Path) -> None:
    assert install.owner("root", tmp_path) is None
    assert install.owner("backup", tmp_path) == ("backup", "backup")
    with pytest.raises(ConfigError, match="no such user"):
        install.owner("nobody-of-that-name", tmp_path)
    user = install.owner(None, tmp_path / "absent", tmp_path)
    uid = tmp_path.stat().st_uid
    assert (user is None) == (uid == 0)


def test_systemd_version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "systemctl"
    program.write_text("#!/bin/sh\necho 'systemd 257 (257.3-1)'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert install.systemd_version() == 257
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    assert install.systemd_version() == 0
