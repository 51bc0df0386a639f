"""Real servers for the examples to talk to, on ports that the system chooses."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult


class Inbox:
    """Takes mail, or answers what it was told to answer."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self.answers: dict[str, str] = {}
        self.hang_up = False
        self.logins: list[str] = []

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        answer = self.answers.get("RCPT", "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        answer = self.answers.get("DATA", "250 OK")
        if answer.startswith("250"):
            message = message_from_bytes(envelope.content, policy=default)
            assert envelope.rcpt_tos == [message["To"].addresses[0].addr_spec]
            self.messages.append(message)
        return answer

    async def handle_QUIT(self, server: Any, session: Any, envelope: Any) -> str:
        if self.hang_up:
            server.transport.abort()
        return "221 Bye"

    def authenticate(
        self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any
    ) -> AuthResult:
        self.logins.append(data.login.decode())
        return AuthResult(success=data.password == b"right", handled=False)


class AnyPort(Controller):
    """A server on a port that the system chooses."""

    def _trigger_server(self) -> None:
        server: Any = self.server
        self.port = server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]  # aiosmtpd has half of them


def serve(inbox: Inbox, **options: Any) -> Iterator[AnyPort]:
    loop = asyncio.new_event_loop()
    server = AnyPort(
        inbox, loop=loop, hostname="127.0.0.1", port=0, enable_SMTPUTF8=True, **options
    )
    server.start()
    yield server
    server.stop()


class Receiver(ThreadingHTTPServer):
    """Keeps what it gets and answers with the status in the path."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.headers: dict[str, str] = {}
        self.released = threading.Event()

    def url(self, path: object) -> str:
        return f"http://127.0.0.1:{self.server_port}/{path}"


class Answer(BaseHTTPRequestHandler):
    """One request."""

    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.requests.append((self.path, headers, body))
        if self.path == "/slow":
            self.server.released.wait(30)
            return
        if self.path == "/broken":
            return
        self.send_response(int(self.path.strip("/")))
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
