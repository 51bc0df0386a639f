"""What every request must pass before anything looks at what it asks for.

In this order: the Host, or a page whose name was made to lead here (DNS rebinding) could
read the answers; where a write comes from; the token; the kind and the size of its body.
"""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import ip_address

import msgspec

from jobctl.clock import Clock
from jobctl.web import problems
from jobctl.web.auth import allows
from jobctl.web.incoming import Incoming
from jobctl.web.problems import Refused
from jobctl.web.rates import Rate
from jobctl.web.wire import App, Headers, Message, Receive, Scope, Send, values

#: Seconds that a body may take to come.
PATIENCE = 20.0
#: Requests with a wrong token that are told so in a minute.
FAILURES = 30

_READING = ("GET", "HEAD", "OPTIONS")
_OPEN = ("/", "/healthz", "/admin")
_OPEN_BELOW = ("/admin/", "/static/")

#: What goes with every answer. Nothing inline runs, nothing comes from elsewhere, and no
#: script can put text into the page as HTML (trusted types).
HEADERS: Headers = [
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        b"img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        b"require-trusted-types-for 'script'; trusted-types 'none'",
    ),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]


class Gate:
    """An ASGI application that lets through what may pass to the one behind it.

    `max_body` is in bytes. `hosts` are names, with a port where there is one, under which it
    may be asked beside the address that it listens on.
    """

    def __init__(
        self,
        app: App,
        clock: Clock,
        *,
        token: str,
        max_body: int,
        hosts: Collection[str],
    ) -> None:
        self._app = app
        self._token = token
        self._max_body = max_body
        self._hosts = frozenset(host.lower() for host in hosts)
        self._failures = Rate(clock, FAILURES, 60.0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let it through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        incoming = Incoming(receive, self._max_body, PATIENCE)
        writing = scope["method"] not in _READING
        try:
            names = self._check_host(scope)
            if writing:
                _check_origin(scope["headers"], names)
            self._check_token(scope)
            body = await self._body(scope["headers"], incoming) if writing else b""
        except Refused as err:
            if writing:
                await incoming.discard()
            await _refuse(err, send, close=writing)
        else:
            if scope["method"] == "HEAD":  # the server leaves the body out
                scope = {**scope, "method": "GET"}
            await self._app(scope, _given(body, receive), _with_headers(send))

    def _check_host(self, scope: Scope) -> Collection[str]:
        """Return the names under which this was asked rightly."""
        names = {*_own_names(scope["server"]), *self._hosts}
        given = values(scope["headers"], b"host")
        if len(given) != 1 or given[0].decode("latin-1").lower() not in names:
            raise Refused(
                421,
                "the Host is not this server's: ask by its address, or name it in "
                "[dashboard] hosts",
            )
        return names

    def _check_token(self, scope: Scope) -> None:
        path: str = scope["path"]
        if scope["method"] in _READING and (path in _OPEN or path.startswith(_OPEN_BELOW)):
            return
        if allows(scope["headers"], self._token):
            return
        wait = self._failures.take()
        if wait:
            # Only who has no token is held up: nobody can lock the owner out.
            raise Refused(
                429,
                "too many requests with a wrong token",
                [(b"retry-after", str(wait).encode())],
            )
        raise Refused(
            401,
            "send `Authorization: Bearer TOKEN`; `jobctl dashboard --url` shows the token",
            [(b"www-authenticate", b'Bearer realm="jobctl"')],
        )

    async def _body(self, headers: Headers, incoming: Incoming) -> bytes:
        length = b"".join(values(headers, b"content-length"))
        # A length that is no number is refused by the server before it comes here.
        if length.isdigit() and int(length) > self._max_body:
            raise incoming.too_large()
        body = await incoming.read()
        if body and not _is_json(headers):
            raise Refused(415, "the body must be JSON: say Content-Type: application/json")
        return body


def _own_names(server: tuple[str, int | None]) -> list[str]:
    """Return the Hosts that name the address at which a connection came in.

    A name that somebody else may point at it is none of them.
    """
    address, port = server
    names = [f"[{address}]" if ":" in address else address]
    try:
        if ip_address(address).is_loopback:
            names.append("localhost")
    except ValueError:
        pass
    # A browser leaves the port out where it is the one that is meant without.
    return [f"{name}:{port}" for name in names] + (names if port == 80 else [])


def _check_origin(headers: Headers, names: Collection[str]) -> None:
    for origin in values(headers, b"origin"):
        scheme, _, name = origin.decode("latin-1").lower().partition("://")
        if scheme not in ("http", "https") or name not in names:
            raise Refused(403, "a page of another origin may not change anything here")
    for site in values(headers, b"sec-fetch-site"):
        if site not in (b"same-origin", b"none"):
            raise Refused(403, "a page of another site may not change anything here")


def _is_json(headers: Headers) -> bool:
    kinds = [value.split(b";")[0].strip().lower() for value in values(headers, b"content-type")]
    coded = values(headers, b"content-encoding")
    return kinds == [b"application/json"] and coded in ([], [b"identity"])


def _given(body: bytes, receive: Receive) -> Receive:
    """Return what gives a body that has been read, and then whatever comes."""
    given = False

    async def give() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return give


def _with_headers(send: Send) -> Send:
    async def passed(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *HEADERS]
        await send(message)

    return passed


async def _refuse(err: Refused, send: Send, *, close: bool) -> None:
    body = msgspec.json.encode(err.problem())
    headers = [
        (b"content-type", problems.MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        *err.headers,
        *HEADERS,
    ]
    if close:  # or what is left of the body would be read for as long as it comes
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": err.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
