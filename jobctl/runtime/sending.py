"""Commands and webhooks of alerts, on a thread of their own: nothing waits for them."""

from __future__ import annotations

import os
import subprocess
import threading
from queue import SimpleQueue
from typing import Any

import msgspec

from jobctl.runtime.log import Log
from jobctl.runtime.settings import Action
from jobctl.runtime.systemd import PRIVATE

#: Seconds that a command and a webhook may take.
COMMAND, WEBHOOK = 60.0, 10.0
#: Seconds that the end of the daemon waits for what is under way.
LAST = 5.0
#: How much of what went wrong is said.
_SAID = 500


class Sender:
    """The thread. It is started by the first alert."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._todo: SimpleQueue[tuple[Action, dict[str, Any]] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def send(self, action: Action, payload: dict[str, Any]) -> None:
        """Have an alert sent; return at once."""
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._serve, name="jobctl-alerts", daemon=True
            )
            self._thread.start()
        self._todo.put((action, payload))

    def close(self) -> None:
        """Wait for a moment for what is under way."""
        if self._thread is not None:
            self._todo.put(None)
            self._thread.join(LAST)

    def _serve(self) -> None:
        while (todo := self._todo.get()) is not None:
            action, payload = todo
            try:
                if action.command:
                    run_command(action.command, payload)
                elif action.webhook:
                    call_webhook(action.webhook, payload)
            except Exception as err:  # whatever it is, the queue goes on
                kind = "command" if action.command else "webhook"
                self._log.error(
                    f"the alert was not sent, its {kind} failed: {str(err)[:_SAID]}",
                    alert=payload["alert"],
                )


def run_command(command: tuple[str, ...], payload: dict[str, Any]) -> None:
    """Run a command with the payload as JSON on its standard input.

    Raises RuntimeError or OSError if that fails.
    """
    environ = {name: value for name, value in os.environ.items() if name not in PRIVATE}
    environ["JOBCTL_ALERT"] = str(payload["alert"])
    environ["JOBCTL_MESSAGE"] = str(payload["message"])
    try:
        done = subprocess.run(
            list(command),
            input=msgspec.json.encode(payload),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environ,
            timeout=COMMAND,
            start_new_session=True,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"{command[0]} did not end within {COMMAND:g} s") from None
    if done.returncode:
        said = done.stderr[:_SAID].decode(errors="replace").strip()
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {said}")


def call_webhook(url: str, payload: dict[str, Any]) -> None:
    """POST the payload as JSON. Raises OSError or ValueError if that fails."""
    from urllib.request import Request, urlopen

    request = Request(  # noqa: S310 - the configuration allows https and http alone
        url,
        data=msgspec.json.encode(payload),
        headers={"Content-Type": "application/json", "User-Agent": "jobctl"},
        method="POST",
    )
    with urlopen(request, timeout=WEBHOOK) as response:  # noqa: S310 - as above
        response.read(1)
