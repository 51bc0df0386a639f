"""Send transactional mail.

    export SMTP_HOST=mail.example.com SMTP_USER=app SMTP_PASSWORD=... MAIL_FROM=app@example.com
    python email_worker.py ann@example.com "Welcome!" "Thanks for signing up."
    jobctl run --burst

Settings, all from the environment: SMTP_HOST (localhost), SMTP_PORT (587 with STARTTLS, 465
with TLS, else 25), SMTP_TLS (`starttls`, `tls` or `none`; by default `none` for this machine
and `starttls` for any other), SMTP_USER, SMTP_PASSWORD, MAIL_FROM. SSL_CERT_FILE names
another file of trusted certificates.

A job may run twice (a power cut after the server took the mail). The Message-ID is made
from the job's id, so that both mails are one to whoever looks at it.
"""

from __future__ import annotations

import os
import smtplib
import ssl
import sys
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Unpack
from urllib.parse import quote

from jobctl import Fail, Job, JobOptions, Queue, Retry, handler

PORTS = {"starttls": 587, "tls": 465, "none": 25}
#: How long to wait for an answer, in seconds.
TIMEOUT = 20.0
LOCAL = ("localhost", "127.0.0.1", "::1")


@dataclass
class EmailData:
    """One mail to one address; `html` is a second form of the body."""

    to: str
    subject: str
    body: str
    html: str | None = None


@dataclass
class Server:
    """Where mail is handed in."""

    host: str
    port: int
    tls: str
    user: str | None
    password: str

    @classmethod
    def from_environment(cls) -> Server:
        """Read the settings. Raises Fail if they make no sense."""
        host = os.environ.get("SMTP_HOST", "localhost")
        tls = os.environ.get("SMTP_TLS") or ("none" if host in LOCAL else "starttls")
        if tls not in PORTS:
            raise Fail(f"SMTP_TLS is {tls!r}: set it to starttls, tls or none")
        port = os.environ.get("SMTP_PORT") or str(PORTS[tls])
        if not port.isdecimal():
            raise Fail(f"SMTP_PORT is {port!r}: set it to a number")
        user = os.environ.get("SMTP_USER")
        if user and tls == "none" and host not in LOCAL:
            raise Fail(f"the password for {host} would travel unencrypted: set SMTP_TLS")
        return cls(host, int(port), tls, user, os.environ.get("SMTP_PASSWORD", ""))

    def connect(self) -> smtplib.SMTP:
        """Return an open connection, encrypted and logged in as the settings say."""
        trusted = ssl.create_default_context()
        if self.tls == "tls":
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(
                self.host, self.port, timeout=TIMEOUT, context=trusted
            )
        else:
            smtp = smtplib.SMTP(self.host, self.port, timeout=TIMEOUT)
        try:
            if self.tls == "starttls":
                smtp.starttls(context=trusted)
            if self.user:
                smtp.login(self.user, self.password)
        except BaseException:
            smtp.close()
            raise
        return smtp


@handler("send-email", max_retries=5, timeout="2m", backoff={"base": "10s", "cap": "30m"})
def send_email(job: Job[EmailData]) -> dict[str, str]:
    """Send the mail, and try again later if the server asks for that or is not there."""
    server = Server.from_environment()
    message = compose(job)
    try:
        deliver(server, message)
    except smtplib.SMTPRecipientsRefused as error:
        code, text = next(iter(error.recipients.values()))
        raise _verdict(code, text) from error
    except smtplib.SMTPResponseException as error:
        raise _verdict(error.smtp_code, error.smtp_error) from error
    except smtplib.SMTPNotSupportedError as error:
        raise Fail(f"{server.host} cannot do what this mail needs: {error}") from error
    except OSError as error:  # refused, unreachable, timed out, a broken connection
        raise Retry(f"{server.host}:{server.port}: {error}") from error
    print(f"sent to {message['To']}")
    return {"message_id": str(message["Message-ID"])}


def compose(job: Job[EmailData]) -> EmailMessage:
    """Return the mail. Raises Fail for an address or a subject that mail cannot carry."""
    sender = os.environ.get("MAIL_FROM", "jobctl@localhost")
    message = EmailMessage()
    try:
        message["From"] = sender
        message["To"] = job.data.to
        message["Subject"] = job.data.subject  # a line break in it raises
    except ValueError as error:
        raise Fail(f"the mail cannot be written: {error}") from error
    addresses = message["To"].addresses
    if len(addresses) != 1 or not (addresses[0].username and addresses[0].domain):
        raise Fail(f"{job.data.to!r} is not one mail address")
    domain = sender.rpartition("@")[2].strip("<> ") or "localhost"
    message["Message-ID"] = f"<{quote(job.id, safe='')}@{domain}>"
    message["Date"] = format_datetime(job.created_at)
    message.set_content(job.data.body)
    if job.data.html is not None:
        message.add_alternative(job.data.html, subtype="html")
    return message


def deliver(server: Server, message: EmailMessage) -> None:
    """Hand the mail to the server."""
    smtp = server.connect()
    try:
        smtp.send_message(message)
        # The server has the mail: trouble in saying goodbye must not send it again.
        with suppress(OSError):
            smtp.quit()
    finally:
        smtp.close()


def _verdict(code: int, text: bytes | str) -> Exception:
    """Return what to raise for a server's answer: 4xx is for now, anything else for good."""
    words = text.decode(errors="replace") if isinstance(text, bytes) else text
    answer = f"the mail server answered {code} {words}"
    # -1 is smtplib's code for what is no answer at all: a server that is half up.
    return Retry(answer) if 400 <= code < 500 or code == -1 else Fail(answer)


def enqueue_email(
    to: str,
    subject: str,
    body: str,
    *,
    html: str | None = None,
    **options: Unpack[JobOptions],
) -> str:
    """Add a mail to the queue and return the job's id.

    With `job_id="welcome-user-123"` the same mail is never added twice.
    """
    options.setdefault("priority", 10)
    data = EmailData(to=to, subject=subject, body=body, html=html)
    return Queue().add("send-email", data, **options)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: python email_worker.py TO SUBJECT BODY")
    print(enqueue_email(*sys.argv[1:]))
