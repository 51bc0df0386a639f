"""The webhook example against a real HTTP server."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
from datetime import UTC, datetime

import pytest

from examples import webhook_worker
from examples.webhook_worker import WebhookData, wait_for
from jobctl.core.retry import Fail, Retry
from tests.examples.conftest import KEY, RunJob
from tests.examples.servers import Receiver


def data(url: str) -> WebhookData:
    return WebhookData(url=url, event="order.paid", payload={"order": 17, "name": "ä"})


def test_a_delivery_is_signed_and_names_the_job(receiver: Receiver, run_job: RunJob) -> None:
    assert run_job("deliver-webhook", data(receiver.url(200)), "job7") == {"status": 200}
    [(_, headers, body)] = receiver.requests
    assert headers["webhook-id"] == "job7"
    sent_at = int(headers["webhook-timestamp"])
    assert abs(datetime.now(UTC).timestamp() - sent_at) < 60
    # What a receiver does, written out.
    signed = b"job7." + str(sent_at).encode() + b"." + body
    expected = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    content = json.loads(body)
    assert content["type"] == "order.paid"
    assert content["data"] == {"order": 17, "name": "ä"}


def test_the_signature_is_that_of_the_published_example() -> None:
    # From the reference libraries' own tests.
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signature = webhook_worker.sign(
        secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_every_attempt_sends_the_same_body(receiver: Receiver, run_job: RunJob) -> None:
    for path in (500, 200):
        try:
            run_job("deliver-webhook", data(receiver.url(path)))
        except Retry:
            assert path == 500
    (_, first, body), (_, second, again) = receiver.requests
    assert body == again
    assert first["webhook-id"] == second["webhook-id"]


@pytest.mark.parametrize(
    ("status", "raised"),
    [
        (500, Retry),
        (503, Retry),
        (429, Retry),
        (408, Retry),
        (404, Fail),
        (400, Fail),
        (410, Fail),
        (302, Fail),
    ],
)
def test_what_an_answer_means(
    receiver: Receiver, run_job: RunJob, status: int, raised: type[Exception]
) -> None:
    receiver.headers["Location"] = "/200"
    with pytest.raises(raised, match=f"answered {status}"):
        run_job("deliver-webhook", data(receiver.url(status)))
    assert len(receiver.requests) == 1  # no redirect is followed


@pytest.mark.parametrize(("header", "after"), [("120", 120.0), (None, None)])
def test_a_receiver_can_ask_for_a_wait(
    receiver: Receiver, run_job: RunJob, header: str | None, after: float | None
) -> None:
    if header is not None:
        receiver.headers["Retry-After"] = header
    with pytest.raises(Retry) as caught:
        run_job("deliver-webhook", data(receiver.url(429)))
    assert caught.value.after == after


NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        ("90", 90.0),
        ("99999", 3600.0),
        ("9" * 5000, 3600.0),
        ("-1", None),
        ("soon", None),
        ("²", None),
        ("Tue, 24 Nov 2026 12:01:00 GMT", 60.0),
        ("Tue, 24 Nov 2026 12:01:00 -0000", 60.0),
        ("Tue, 24 Nov 2026 11:00:00 GMT", 0.0),
        ("Tue, 24 Nov 2099 11:00:00 GMT", 3600.0),
    ],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert wait_for(header, NOON) == seconds


def test_a_slow_receiver_is_a_retry(
    receiver: Receiver, run_job: RunJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_worker, "TIMEOUT", 0.1)
    with pytest.raises(Retry, match=r"timed out|Timeout"):
        run_job("deliver-webhook", data(receiver.url("slow")))


def test_a_broken_connection_is_a_retry(receiver: Receiver, run_job: RunJob) -> None:
    with pytest.raises(Retry, match="disconnected"):
        run_job("deliver-webhook", data(receiver.url("broken")))


@pytest.mark.usefixtures("receiver")
def test_nobody_there_is_a_retry(run_job: RunJob) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, and nobody listens
        with pytest.raises(Retry, match="refused"):
            run_job("deliver-webhook", data(f"http://127.0.0.1:{closed.getsockname()[1]}/"))


@pytest.mark.usefixtures("receiver")
@pytest.mark.parametrize(
    "url", ["ftp://example.com/", "example.com/hook", "http://host:port/", ""]
)
def test_a_url_that_cannot_be_asked_fails_for_good(run_job: RunJob, url: str) -> None:
    with pytest.raises(Fail, match="is no http or https URL"):
        run_job("deliver-webhook", data(url))


@pytest.mark.parametrize("secret", ["", "whsec_!", "whsec_c2hvcnQ="])
def test_without_a_good_secret_nothing_is_sent(
    receiver: Receiver, run_job: RunJob, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    monkeypatch.setenv("WEBHOOK_SECRET", secret)
    with pytest.raises(Fail, match="WEBHOOK_SECRET is"):
        run_job("deliver-webhook", data(receiver.url(200)))
    assert receiver.requests == []
