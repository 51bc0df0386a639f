"""The dashboard on a free port of this machine, in this process; it ends with its test."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from jobctl import bootstrap
from jobctl.clock import SystemClock
from jobctl.core.store import Store
from jobctl.web.app import build
from jobctl.web.backend import Backend
from jobctl.web.rates import Rate
from jobctl.web.server import Server, address, bind
from tests.helpers import eventually

TOKEN = "the-token-of-the-tests"


class Site:
    """A server that runs, its store, and a client that has its token."""

    def __init__(
        self,
        folder: Path,
        stack: ExitStack,
        *,
        hosts: Collection[str] = (),
        failures: Rate | None = None,
    ) -> None:
        def read() -> Any:
            return bootstrap.open_config(config, str(folder / ".jobctl"), deep=True)

        file = folder / "jobs.toml"
        config = str(file) if file.exists() else None
        self.folder = folder
        self.store: Store = bootstrap.open_store(read())
        stack.callback(self.store.close)
        self.backend = Backend(self.store, read(), read)
        app = build(self.backend, TOKEN, hosts)
        if failures is not None:
            app._failures = failures
        listening = bind("127.0.0.1", 0, allow_remote=False)
        self.port: int = listening.getsockname()[1]
        self.url = address(listening)
        self.server = Server(app, self.backend.closing.set)
        self._thread = threading.Thread(
            target=self.server.run, kwargs={"sockets": [listening]}, name="site"
        )
        self._thread.start()
        stack.callback(self.stop)
        eventually(lambda: self.server.started)
        self.client = stack.enter_context(
            httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {TOKEN}"})
        )
        #: A client without the token.
        self.nobody = stack.enter_context(httpx.Client(base_url=self.url))

    def stop(self) -> None:
        """End the server, and wait for that."""
        self.server.stop()
        self._thread.join(timeout=20)
        assert not self._thread.is_alive()

    def get(self, path: str, **options: Any) -> httpx.Response:
        """Ask for something under /api/admin."""
        return self.client.get(f"/api/admin{path}", **options)

    def post(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        """Send JSON to something under /api/admin."""
        return self.client.post(f"/api/admin{path}", json=body, **options)

    def raw(self, request: bytes, timeout: float = 10.0) -> bytes:
        """Send bytes and return all that comes back until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as sock:
            sock.sendall(request)
            parts = []
            while part := sock.recv(65536):
                parts.append(part)
        return b"".join(parts)


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Site]]:
    """Start a server on a store in the test's folder; `config` is the text of jobs.toml."""
    for name in ("JOBCTL_CONFIG", "JOBCTL_STORE", "JOBCTL_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    monkeypatch.chdir(tmp_path)
    tmp_path.chmod(0o755)
    with ExitStack() as stack:

        def start(config: str | None = None, **options: Any) -> Site:
            if config is not None:
                (tmp_path / "jobs.toml").write_text(config)
                (tmp_path / "jobs.toml").chmod(0o644)
            return Site(tmp_path, stack, **options)

        yield start


@pytest.fixture(scope="session")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server with an empty store, for all tests that change nothing."""
    folder = tmp_path_factory.mktemp("still")
    folder.chmod(0o755)
    (folder / "jobs.toml").write_text("")
    (folder / "jobs.toml").chmod(0o644)
    with ExitStack() as stack:
        yield Site(folder, stack, failures=Rate(SystemClock(), 10**9, 1.0))


@pytest.fixture
def site(serve: Callable[..., Site]) -> Site:
    """A server with an empty store and no configuration."""
    return serve()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """The Chromium of this machine."""
    from tests.web.browser import CHROMIUM

    if CHROMIUM is None:
        pytest.skip("needs Chromium (on Debian: apt install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--host-resolver-rules=MAP evil.test 127.0.0.1"]
        )
        yield browser
        browser.close()


@pytest.fixture
def tab(site: Site, chromium: Any) -> Iterator[Any]:
    """A tab of a new browser window."""
    from tests.web.browser import Tab

    context = chromium.new_context(viewport={"width": 1280, "height": 860})
    yield Tab(site, context)
    context.close()
