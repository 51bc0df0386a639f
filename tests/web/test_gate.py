"""What every request must pass: Host, origin, token, kind and size."""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from jobctl.core.store import Stats
from jobctl.errors import ConfigError, StoreUnwritable
from jobctl.web import connection, gate, incoming
from jobctl.web.auth import allows, find_token
from jobctl.web.gate import FAILURES
from jobctl.web.rates import Rate
from jobctl.web.server import bind, with_token
from tests.helpers import FakeClock, make_job, put
from tests.web.conftest import TOKEN, Site

AUTHORIZATION = f"Authorization: Bearer {TOKEN}\r\n".encode()


def add(site: Site, **headers: str) -> httpx.Response:
    """Try to add a job with some headers of its own."""
    return site.post("/jobs", {"name": "x"}, headers=headers)


# -- the Host --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "evil.test", "evil.test:{port}", "127.0.0.1", "127.0.0.1:1", "127.0.0.1:{port}.x.test",
        "localhost", "127.0.0.1:{port}:{port}", "127.0.0.2:{port}", "user@127.0.0.1:{port}",
        "127.1:{port}", "2130706433:{port}", "[::1]:{port}",
    ],
)  # fmt: skip
def test_another_host_is_refused_before_the_token(still: Site, host: str) -> None:
    host = host.format(port=still.port)
    for authorization in (f"Bearer {TOKEN}", "Bearer wrong"):
        headers = {"Host": host, "Authorization": authorization}
        for path in ("/api/admin/jobs", "/healthz", "/admin", "/static/index.html"):
            answer = still.nobody.get(path, headers=headers)
            assert answer.status_code == 421
            assert "secret" not in answer.text


def test_a_request_without_a_host_or_with_two_is_refused(still: Site) -> None:
    assert b" 421 " in still.raw(b"GET /healthz HTTP/1.0\r\n\r\n").split(b"\r\n")[0]
    two = f"Host: 127.0.0.1:{still.port}\r\nHost: evil.test\r\n".encode()
    answer = still.raw(b"GET /healthz HTTP/1.1\r\n" + two + b"Connection: close\r\n\r\n")
    assert b" 400 " in answer.split(b"\r\n")[0]


def test_its_own_names_are_right(still: Site) -> None:
    for host in (
        f"127.0.0.1:{still.port}",
        f"localhost:{still.port}",
        f"LocalHost:{still.port}",
    ):
        assert still.nobody.get("/healthz", headers={"Host": host}).status_code == 200


def test_names_of_a_reverse_proxy(serve: Callable[..., Site]) -> None:
    site = serve(hosts=["jobs.example.com"])
    assert add(site, Host="jobs.example.com").status_code == 201
    own = {"Host": "jobs.example.com", "Origin": "https://jobs.example.com"}
    assert add(site, **own).status_code == 201
    assert add(site, Host="jobs.example.com", Origin="https://evil.test").status_code == 403
    assert add(site, Host="jobs.example.com:444").status_code == 421


# -- where a write comes from ----------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.test"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1"},
        {"Origin": "http://127.0.0.1:8768"},
        {"Origin": "http://localhost:1"},
        {"Origin": "file://"},
        {"Origin": ""},
        {"Origin": "ftp://127.0.0.1:{port}"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://127.0.0.1:{port}", "Sec-Fetch-Site": "cross-site"},
    ],
)
def test_a_write_from_elsewhere_is_refused(site: Site, headers: dict[str, str]) -> None:
    put(site.store, make_job("a"))
    headers = {name: value.format(port=site.port) for name, value in headers.items()}
    answers = [
        add(site, **headers),
        site.post("/jobs/a/cancel", headers=headers),
        site.client.delete("/api/admin/jobs/a", headers=headers),
        site.post("/jobs/cleanup", headers=headers),
        site.post("/schedules/x/trigger", headers=headers),
    ]
    assert [answer.status_code for answer in answers] == [403] * 5
    assert [job.status for job in site.store.list()] == ["pending"]


def test_its_own_page_may_write_and_so_may_programs(site: Site) -> None:
    assert add(site).status_code == 201
    for origin in (site.url, f"http://localhost:{site.port}"):
        assert add(site, **{"Origin": origin, "Sec-Fetch-Site": "same-origin"}).is_success
    assert add(site, **{"Sec-Fetch-Site": "none"}).status_code == 201


# -- the token -------------------------------------------------------------------------


def test_who_has_no_token_sees_the_shell_and_nothing_else(site: Site) -> None:
    put(site.store, make_job("secret"))
    nobody = site.nobody
    for path in ("/admin", "/admin/jobs", "/admin/jobs/secret", "/healthz", "/static/x"):
        answer = nobody.get(path)
        assert answer.status_code == (404 if path == "/static/x" else 200)
        assert "secret" not in answer.text
    for path in (
        "/api/admin/jobs", "/api/admin/jobs/secret", "/api/admin/jobs/stats",
        "/api/admin/jobs/secret/log", "/api/admin/schedules", "/api/admin/events",
        "/metrics", "/openapi.json", "/nothing", "/admin/../api/admin/jobs",
        "/ADMIN/jobs",
    ):  # fmt: skip
        answer = nobody.get(path)
        assert answer.status_code == 401, path
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert "secret" not in answer.text
    for path in ("/admin", "/healthz", "/static/index.html"):
        assert nobody.post(path).status_code == 401


@pytest.mark.parametrize(
    "value",
    [
        b"", b"Bearer", b"Basic " + TOKEN.encode(), TOKEN.encode(),
        b"Bearer " + TOKEN.encode()[:-1], b"Bearer " + TOKEN.encode() + b"x",
        b"Bearer " + TOKEN.upper().encode(), "Bearer tökèn".encode(),
        b"Bearer \xff\xfe", b"Bearer " + b"x" * 8000,
    ],
)  # fmt: skip
def test_a_wrong_token_is_401(still: Site, value: bytes) -> None:
    answer = still.nobody.get("/api/admin/jobs", headers=[(b"Authorization", value)])
    assert answer.status_code == 401
    assert answer.json()["status"] == 401


def test_the_token_counts_in_the_header_alone(still: Site) -> None:
    path = "/api/admin/jobs"
    assert still.nobody.get(f"{path}?token={TOKEN}").status_code == 401
    assert still.nobody.get(f"{path}?access_token={TOKEN}").status_code == 401
    assert still.nobody.get(path, headers={"Cookie": f"token={TOKEN}"}).status_code == 401
    assert "set-cookie" not in still.get("/jobs").headers
    twice = [("Authorization", f"Bearer {TOKEN}"), ("Authorization", "Bearer x")]
    for headers in (twice, twice[::-1]):
        assert still.nobody.get(path, headers=headers).status_code == 401


def test_a_token_beyond_ascii_works_and_does_not_crash() -> None:
    def headers(text: str) -> list[tuple[bytes, bytes]]:
        return [(b"authorization", f"bearer {text}".encode())]

    assert allows(headers("tökèn"), "tökèn")
    assert not allows(headers("token"), "tökèn")
    assert not allows([(b"authorization", b"Bearer \xff\xf6")], "token")


def test_guessing_is_slowed_down_and_the_owner_is_not(
    serve: Callable[..., Site], clock: FakeClock
) -> None:
    site = serve(failures=Rate(clock, FAILURES, 60.0))
    get, wrong = site.nobody.get, {"Authorization": "Bearer wrong"}
    codes = [get("/metrics", headers=wrong).status_code for _ in range(FAILURES + 2)]
    assert codes == [401] * FAILURES + [429] * 2
    assert get("/metrics", headers=wrong).headers["Retry-After"] == "2"
    assert site.get("/jobs").status_code == 200
    clock.advance(2)
    codes = [get("/metrics", headers=wrong).status_code for _ in range(2)]
    assert codes == [401, 429]


def test_the_token_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        with ThreadPoolExecutor(8) as pool:
            found = set(pool.map(lambda _: find_token(tmp_path, {}), range(8)))
    finally:
        os.umask(old)
    assert len(found) == 1
    assert len(found.pop()) == 43  # 32 bytes
    assert [path.name for path in tmp_path.iterdir()] == ["token"]
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600
    assert find_token(tmp_path, {"JOBCTL_TOKEN": " other\n"}) == "other"


def test_a_token_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("\n")
    with pytest.raises(ConfigError, match="is empty"):
        find_token(tmp_path, {})
    path.unlink()
    path.symlink_to("/etc/hostname")
    with pytest.raises(ConfigError, match="cannot be used"):
        find_token(tmp_path, {})
    path.unlink()
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="cannot be used"):
        find_token(tmp_path, {})
    with pytest.raises(ConfigError, match="JOBCTL_TOKEN is empty"):
        find_token(tmp_path, {"JOBCTL_TOKEN": ""})


def test_a_token_that_a_full_disk_does_not_take_is_the_stores_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "link", full)
    with pytest.raises(StoreUnwritable, match="token cannot be made: No space left on device"):
        find_token(tmp_path, {})
    assert list(tmp_path.iterdir()) == []


def test_the_address_holds_the_token_behind_the_fragment() -> None:
    assert with_token("http://h:1", "a b#c/ö") == "http://h:1/admin#token=a%20b%23c%2F%C3%B6"


# -- bodies ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "application/jsonp"},
        {"Content-Type": "text/plain; application/json"},
        {},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
def test_a_body_of_another_kind_is_415(still: Site, headers: dict[str, str]) -> None:
    answer = still.client.post("/api/admin/jobs", content=b'{"name": "x"}', headers=headers)
    assert answer.status_code == 415
    assert still.store.list() == []


def test_json_may_say_its_charset(site: Site) -> None:
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    answer = site.client.post("/api/admin/jobs", content=b'{"name": "x"}', headers=headers)
    assert answer.status_code == 201


LIMITED = '[run]\nmax_data = "1KiB"\n'


def test_a_body_that_is_too_large_is_413(serve: Callable[..., Site]) -> None:
    site = serve(LIMITED)
    answer = site.post("/jobs", {"name": "x", "data": "y" * 100_000})
    assert answer.status_code == 413
    assert "66,560 bytes" in answer.json()["detail"]
    barely = site.post("/jobs", {"name": "x", "data": "y" * 2000})
    assert barely.status_code == 422  # what the job may carry is less than what may be sent
    assert site.post("/jobs", {"name": "x", "data": "y" * 1000}).status_code == 201


def test_so_is_one_that_does_not_say_its_size(serve: Callable[..., Site]) -> None:
    site = serve(LIMITED)

    def parts() -> object:
        for _ in range(100):
            yield b"x" * 1000

    headers = {"Content-Type": "application/json"}
    answer = site.client.post("/api/admin/jobs", content=parts(), headers=headers)  # type: ignore[arg-type]
    assert answer.status_code == 413


def test_who_says_that_he_sends_too_much_need_not_send_it(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incoming, "DISCARD", 0.1)
    answer = site.raw(
        f"POST /api/admin/jobs HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\n".encode()
        + AUTHORIZATION
        + b"Content-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n{"
    )
    assert b" 413 " in answer.split(b"\r\n")[0]


def test_an_endless_body_is_cut_off(serve: Callable[..., Site]) -> None:
    site = serve(LIMITED)
    head = (
        f"POST /api/admin/jobs HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\n".encode()
        + AUTHORIZATION
        + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    sent = 0
    with socket.create_connection(("127.0.0.1", site.port), timeout=10) as sock:
        sock.sendall(head)
        with suppress(ConnectionError):
            while sent < 1 << 30:
                sock.sendall(chunk)
                sent += len(chunk)
    assert sent < 1 << 28


def test_a_body_that_does_not_come_is_408(
    serve: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incoming, "DISCARD", 0.1)
    monkeypatch.setattr(gate, "PATIENCE", 0.2)
    site = serve()
    for rest in (
        b"Content-Length: 100\r\n\r\n{",
        b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
    ):
        answer = site.raw(
            f"POST /api/admin/jobs HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\n".encode()
            + AUTHORIZATION
            + b"Content-Type: application/json\r\n"
            + rest
        )
        assert b" 408 " in answer.split(b"\r\n")[0]
    assert site.get("/jobs").status_code == 200


def test_a_client_that_leaves_does_no_harm(site: Site) -> None:
    head = f"POST /api/admin/jobs HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\n".encode()
    with socket.create_connection(("127.0.0.1", site.port)) as sock:
        sock.sendall(head + AUTHORIZATION + b"Content-Length: 9\r\n\r\n{")
    assert site.get("/jobs").json()["jobs"] == []


def test_headers_that_do_not_end_are_refused(still: Site) -> None:
    answer = still.raw(b"GET /healthz HTTP/1.1\r\nX: " + b"y" * 100_000)
    assert b" 400 " in answer.split(b"\r\n")[0]


def test_a_head_that_does_not_come_is_given_up(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "PATIENCE", 0.2)
    host = f"Host: 127.0.0.1:{site.port}\r\n".encode()
    whole = b"GET /healthz HTTP/1.1\r\n" + host + b"\r\n"
    assert site.raw(b"") == b""
    assert site.raw(b"GET /healthz HTTP/1.1\r\n" + host) == b""
    # After an answer too; and what is being answered is not disturbed.
    answer = site.raw(whole + b"GET /healthz")
    assert answer.count(b"HTTP/1.1 200") == 1
    with site.client.stream("GET", "/api/admin/events", timeout=10) as stream:
        lines = stream.iter_lines()
        for n in range(2):
            put(site.store, make_job(f"j{n}"))
            assert any(line.startswith(f'data: {{"pending":{n + 1}') for line in lines)


def test_the_next_head_is_waited_for_as_long_as_the_first(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    fired, asked, answer = threading.Event(), threading.Event(), threading.Event()
    give_up, stats = connection.Connection._give_up, site.store.stats

    def seen(self: connection.Connection) -> None:
        give_up(self)
        fired.set()

    def slow() -> Stats:
        asked.set()
        answer.wait(10)
        return stats()

    monkeypatch.setattr(connection, "PATIENCE", 0.2)
    monkeypatch.setattr(connection.Connection, "_give_up", seen)
    monkeypatch.setattr(site.store, "stats", slow)
    host = f"Host: 127.0.0.1:{site.port}\r\n".encode()
    with socket.create_connection(("127.0.0.1", site.port), timeout=10) as sock:
        sock.sendall(b"GET /healthz HTTP/1.1\r\n" + host + b"\r\n")
        assert asked.wait(10)
        assert fired.wait(10)  # what is being answered is not disturbed
        answer.set()
        assert sock.recv(65536).startswith(b"HTTP/1.1 200")
        sock.sendall(b"GET /healthz")
        while sock.recv(65536):
            pass


def test_adding_has_a_rate(serve: Callable[..., Site]) -> None:
    site = serve('[dashboard]\nadd_rate = "3/h"\n')
    codes = [add(site).status_code for _ in range(4)]
    assert codes == [201, 201, 201, 429]
    assert int(add(site).headers["Retry-After"]) > 60
    assert len(site.store.list()) == 3


# -- what goes with every answer -------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    ["/api/admin/jobs", "/admin", "/healthz", "/nothing", "/api/admin/jobs/x", "/metrics"],
)
@pytest.mark.parametrize("token", [True, False])
def test_headers(still: Site, path: str, token: bool) -> None:
    answer = still.client.get(path) if token else still.nobody.get(path)
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; ")
    assert "unsafe" not in policy
    for part in ("frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"):
        assert part in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    for name in ("set-cookie", "server", "access-control-allow-origin"):
        assert name not in answer.headers


def test_head_is_get_without_a_body(still: Site) -> None:
    for path, token in (("/healthz", False), ("/admin", False), ("/api/admin/jobs", True)):
        client = still.client if token else still.nobody
        answer, whole = client.head(path), client.get(path)
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["content-length"] == str(len(whole.content))
    assert still.nobody.head("/api/admin/jobs").status_code == 401


@pytest.mark.parametrize(
    "path",
    [
        "/static/..%2fserver.py", "/static/../server.py", "/static/%2e%2e/server.py",
        "/static/%2fetc%2fpasswd", "/static/index.html%00", "/static/",
        "/api/admin/jobs/..%2f..%2fstore.json", "/api/admin/jobs/%2e%2e",
        "/api/admin/jobs/a%00",
        "/api/admin/jobs/..%2f..%2ftoken/log", "/api/admin/jobs/../token/log",
        "/api/admin/jobs/%2e%2e%2ftoken/log", "/api/admin/schedules/..%2f..%2fjobs.toml",
        "/api/admin/schedules/%0a", "/api/admin/jobs/%ff",
    ],
)  # fmt: skip
def test_nothing_leads_out(still: Site, path: str) -> None:
    host = f"Host: 127.0.0.1:{still.port}\r\nConnection: close\r\n".encode()
    answer = still.raw(f"GET {path} HTTP/1.1\r\n".encode() + host + AUTHORIZATION + b"\r\n")
    assert answer.split(b" ")[1] == b"404", answer
    assert b"root:" not in answer
    assert b"import" not in answer


# -- where it listens ------------------------------------------------------------------


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_other_machines_need_a_flag(host: str) -> None:
    with pytest.raises(ConfigError, match="reverse proxy"):
        bind(host, 0, allow_remote=False)


def test_an_address_that_is_taken_or_unknown_is_named() -> None:
    with bind("127.0.0.1", 0, allow_remote=False) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match="choose another with --port"):
            bind("127.0.0.1", port, allow_remote=False)
    with pytest.raises(ConfigError, match="is not known"):
        bind("no-such-host.invalid", 0, allow_remote=False)
    bind("0.0.0.0", 0, allow_remote=True).close()
