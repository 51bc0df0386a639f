"""The email example against a real SMTP server."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples import email_worker
from examples.email_worker import EmailData
from jobctl.core.retry import Fail, Retry
from jobctl.runtime.validation import InvalidData
from tests.examples.conftest import RunJob
from tests.examples.servers import AnyPort, Inbox, serve

CERTIFICATE = Path(__file__).with_name("localhost.pem")
MAIL = EmailData(to="ann@example.com", subject="Grüße", body="Hello\n.\nä\n")


@pytest.fixture
def secure(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[AnyPort]:
    """A server with STARTTLS that wants a login."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    options = {"tls_context": context, "require_starttls": True, "auth_required": True}
    for server in serve(inbox, authenticator=inbox.authenticate, **options):
        monkeypatch.setenv("SMTP_HOST", "localhost")
        monkeypatch.setenv("SMTP_PORT", str(server.port))
        monkeypatch.setenv("SMTP_TLS", "starttls")
        monkeypatch.setenv("SMTP_USER", "app")
        monkeypatch.setenv("SMTP_PASSWORD", "right")
        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
        yield server


@pytest.mark.usefixtures("smtp")
def test_a_mail_arrives_as_it_was_written(inbox: Inbox, run_job: RunJob) -> None:
    result = run_job("send-email", MAIL, "welcome-7@2026:x")
    [message] = inbox.messages
    assert message["From"].addresses[0].addr_spec == "shop@example.org"
    assert message["Subject"] == "Grüße"
    assert message["Message-ID"] == "<welcome-7%402026%3Ax@example.org>"
    assert message["Date"].datetime is not None
    assert message.get_content().replace("\r\n", "\n") == "Hello\n.\nä\n"
    assert result == {"message_id": "<welcome-7%402026%3Ax@example.org>"}


@pytest.mark.usefixtures("smtp")
def test_the_same_job_has_the_same_message_id(inbox: Inbox, run_job: RunJob) -> None:
    for job_id in ("a", "a", "b"):
        run_job("send-email", MAIL, job_id)
    first, second, other = (message["Message-ID"] for message in inbox.messages)
    assert first == second != other


@pytest.mark.usefixtures("smtp")
def test_a_mail_with_html_has_both_forms(inbox: Inbox, run_job: RunJob) -> None:
    run_job("send-email", {**vars(MAIL), "html": "<p>Hello"})
    [message] = inbox.messages
    body = message.get_body(("html",))
    assert body is not None
    assert "<p>Hello" in body.get_content()
    assert message.get_body(("plain",)) is not None


@pytest.mark.usefixtures("smtp")
@pytest.mark.parametrize("step", ["RCPT", "DATA"])
@pytest.mark.parametrize(
    ("answer", "raised"),
    [("451 try later", Retry), ("421 closing", Retry), ("550 no such user", Fail)],
)
def test_an_answer_of_4xx_is_for_now_and_5xx_for_good(
    inbox: Inbox, run_job: RunJob, step: str, answer: str, raised: type[Exception]
) -> None:
    inbox.answers[step] = answer
    with pytest.raises(raised, match=f"the mail server answered {answer}"):
        run_job("send-email", MAIL)
    assert inbox.messages == []


@pytest.mark.usefixtures("smtp")
def test_trouble_at_the_goodbye_is_no_failure(inbox: Inbox, run_job: RunJob) -> None:
    inbox.hang_up = True
    run_job("send-email", MAIL)
    assert len(inbox.messages) == 1


def test_no_server_is_a_retry(monkeypatch: pytest.MonkeyPatch, run_job: RunJob) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, and nobody listens
        monkeypatch.setenv("SMTP_HOST", "127.0.0.1")
        monkeypatch.setenv("SMTP_PORT", str(closed.getsockname()[1]))
        with pytest.raises(Retry, match="refused"):
            run_job("send-email", MAIL)


def test_a_silent_server_is_a_retry(monkeypatch: pytest.MonkeyPatch, run_job: RunJob) -> None:
    monkeypatch.setattr(email_worker, "TIMEOUT", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("SMTP_HOST", "127.0.0.1")
        monkeypatch.setenv("SMTP_PORT", str(silent.getsockname()[1]))
        with pytest.raises(Retry, match="timed out"):
            run_job("send-email", MAIL)


def test_a_server_that_speaks_no_smtp_is_a_retry(
    monkeypatch: pytest.MonkeyPatch, run_job: RunJob
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("SMTP_HOST", "127.0.0.1")
        monkeypatch.setenv("SMTP_PORT", str(server.getsockname()[1]))

        def greet() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"starting up\r\n")

        thread = threading.Thread(target=greet)
        thread.start()
        with pytest.raises(Retry, match="answered -1"):
            run_job("send-email", MAIL)
        thread.join()


@pytest.mark.usefixtures("smtp")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"subject": "Hi\r\nBcc: eve@example.com"}, "cannot be written"),
        ({"to": "a@example.com\nBcc: eve@example.com"}, "cannot be written"),
        ({"to": "a@example.com, eve@example.com"}, "is not one mail address"),
        ({"to": "nobody"}, "is not one mail address"),
        ({"to": ""}, "is not one mail address"),
    ],
)
def test_what_would_write_another_mail_fails_for_good(
    inbox: Inbox, run_job: RunJob, change: dict[str, str], message: str
) -> None:
    with pytest.raises(Fail, match=message):
        run_job("send-email", {**vars(MAIL), **change})
    assert inbox.messages == []


def test_data_that_lacks_a_field_names_it(run_job: RunJob) -> None:
    with pytest.raises(InvalidData, match=r"data\.subject: required, and missing"):
        run_job("send-email", {"to": "ann@example.com"})


@pytest.mark.usefixtures("secure")
def test_starttls_and_a_login(inbox: Inbox, run_job: RunJob) -> None:
    run_job("send-email", MAIL)
    assert len(inbox.messages) == 1
    assert inbox.logins == ["app"]


@pytest.mark.usefixtures("secure")
def test_a_wrong_password_fails_without_a_mail(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch, run_job: RunJob
) -> None:
    monkeypatch.setenv("SMTP_PASSWORD", "wrong")
    with pytest.raises(Fail, match="answered 535"):
        run_job("send-email", MAIL)
    assert inbox.messages == []


@pytest.mark.usefixtures("secure")
def test_a_certificate_that_nobody_vouches_for_is_refused(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch, run_job: RunJob
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/dev/null")
    with pytest.raises(Retry, match="certificate verify failed"):
        run_job("send-email", MAIL)
    assert inbox.logins == []


@pytest.mark.usefixtures("smtp")
def test_a_server_without_starttls_gets_no_mail(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch, run_job: RunJob
) -> None:
    monkeypatch.setenv("SMTP_TLS", "starttls")
    with pytest.raises(Fail, match="cannot do what this mail needs"):
        run_job("send-email", MAIL)
    assert inbox.messages == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"SMTP_TLS": "ssl"}, "SMTP_TLS is 'ssl'"),
        ({"SMTP_PORT": "smtp"}, "SMTP_PORT is 'smtp'"),
        (
            {"SMTP_HOST": "mail.example.com", "SMTP_TLS": "none", "SMTP_USER": "a"},
            "unencrypted",
        ),
    ],
)
def test_settings_that_make_no_sense_are_named(
    monkeypatch: pytest.MonkeyPatch, run_job: RunJob, settings: dict[str, str], message: str
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(Fail, match=message):
        run_job("send-email", MAIL)
