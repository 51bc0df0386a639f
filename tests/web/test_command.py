"""jobctl dashboard, as it is typed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from tests.helpers import ROOT, eventually


class Typed:
    """A `jobctl dashboard` that runs in a folder."""

    def __init__(self, folder: Path, *arguments: str, keep: Sequence[str] = ()) -> None:
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        for name in {"JOBCTL_STORE", "JOBCTL_CONFIG", "JOBCTL_TOKEN"} - set(keep):
            environ.pop(name, None)
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "jobctl", "dashboard", *arguments],
            cwd=folder,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def url(self) -> str:
        """Return what it prints first."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def end(self) -> tuple[int, str, str]:
        """Wait for its end; return exit code and output."""
        out, err = self.process.communicate(timeout=20)
        return self.process.returncode, out, err


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a jobs.toml."""
    (tmp_path / "jobs.toml").write_text("")
    (tmp_path / "jobs.toml").chmod(0o644)
    tmp_path.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_the_address_and_ends_with_a_signal(
    folder: Path, number: signal.Signals
) -> None:
    typed = Typed(folder, "--port", "0")
    url, _, token = typed.url().partition("/admin#token=")
    assert url.startswith("http://127.0.0.1:")
    headers = {"Authorization": f"Bearer {token}"}
    assert httpx.get(f"{url}/api/admin/jobs/stats", headers=headers).json()["total"] == 0
    with httpx.stream("GET", f"{url}/api/admin/events", headers=headers):
        typed.process.send_signal(number)
        code, out, err = typed.end()
    assert (code, out) == (0, "")
    assert err == "note: open that in a browser; Ctrl-C ends it\n"
    assert (folder / ".jobctl/token").read_text() == token + "\n"


def test_it_ends_with_whoever_started_it(folder: Path) -> None:
    typed = Typed(folder, "--port", "0", "--stop-on-eof")
    assert typed.process.stderr is not None
    line = typed.process.stderr.readline()
    assert line.startswith("the dashboard is at http://127.0.0.1:")
    token = (folder / ".jobctl/token").read_text().strip()
    code, out, err = typed.end()
    assert (code, out) == (0, "")
    assert token not in line + err


def test_the_address_alone(folder: Path) -> None:
    first = Typed(folder, "--url").end()
    again = Typed(folder, "--url", "--port", "99").end()
    assert first[0] == again[0] == 0
    assert first[1].startswith("http://127.0.0.1:8642/admin#token=")
    assert again[1].startswith("http://127.0.0.1:99/admin#token=")
    assert first[1].partition("#")[2] == again[1].partition("#")[2]


def test_a_port_that_is_taken(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, out, err = Typed(folder, "--port", str(port)).end()
    assert (code, out) == (2, "")
    assert err.startswith(f"jobctl: 127.0.0.1 port {port} cannot be used")
    assert "--port" in err


def test_another_address_needs_a_flag(folder: Path) -> None:
    code, out, err = Typed(folder, "--host", "0.0.0.0", "--port", "0").end()
    assert (code, out) == (2, "")
    assert "reverse proxy" in err
    assert "--allow-remote" in err
    assert not (folder / ".jobctl").exists()
    typed = Typed(folder, "--host", "0.0.0.0", "--port", "0", "--allow-remote")
    assert typed.url().startswith("http://127.0.0.1:")
    typed.process.terminate()
    assert typed.end()[0] == 0


def test_a_token_that_can_be_guessed_is_for_this_machine_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBCTL_TOKEN", "secret")
    arguments = ["--host", "0.0.0.0", "--port", "0", "--allow-remote"]
    code, _, err = Typed(folder, *arguments, keep=("JOBCTL_TOKEN",)).end()
    assert code == 2
    assert "the token has 6 characters" in err
    typed = Typed(folder, "--port", "0", keep=("JOBCTL_TOKEN",))
    assert typed.url().endswith("#token=secret")
    typed.process.terminate()
    assert typed.end()[0] == 0


def test_the_configuration_says_where(folder: Path) -> None:
    (folder / "jobs.toml").write_text('[dashboard]\nhost = "localhost"\nport = 0\n')
    typed = Typed(folder)
    url, _, token = typed.url().partition("/admin#")
    assert token
    assert httpx.get(f"{url}/healthz").status_code == 200
    typed.process.terminate()
    assert typed.end()[0] == 0


def test_without_the_extra_it_says_what_to_install(folder: Path) -> None:
    (folder / "uvicorn.py").write_text("raise ImportError('no', name='uvicorn')")
    command = [sys.executable, "-m", "jobctl", "dashboard"]
    environ = {**os.environ, "PYTHONPATH": f"{folder}:{ROOT}"}
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == (
        "jobctl: the dashboard needs uvicorn: pip install 'jobctl[dashboard]'\n"
    )


def test_nobody_else_pays_for_it() -> None:
    code = (
        "import sys; from jobctl.cli import app; app.main(['--help']); "
        "sys.exit(any(name in sys.modules for name in ('litestar', 'uvicorn', 'jobctl.web')))"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL).returncode == 0
    )


def test_the_port_is_free_again_at_once(folder: Path) -> None:
    typed = Typed(folder, "--port", "0")
    url = typed.url()
    port = url.split(":")[2].split("/")[0]
    with httpx.Client() as client:
        assert client.get(f"http://127.0.0.1:{port}/healthz").is_success
        typed.process.terminate()
        assert typed.end()[0] == 0
    again = Typed(folder, "--port", port)
    assert again.url() == url
    eventually(lambda: httpx.get(f"http://127.0.0.1:{port}/healthz").is_success)
    again.process.terminate()
    assert again.end()[0] == 0
