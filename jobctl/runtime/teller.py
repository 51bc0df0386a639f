"""What this daemon tells of itself: daemon.json, written as what it tells changes."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from jobctl.clock import Clock
from jobctl.errors import ConfigError, HandlerError
from jobctl.runtime.settings import Settings
from jobctl.services.telling import Rules, State, Told, Trouble, forget_told, write_told


class Teller:
    """Keeps daemon.json for as long as its context lasts; an error that ends it stays there.

    Nobody depends on the file: one that cannot be written is not.
    """

    def __init__(self, folder: Path, settings: Settings, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._told = Told(os.getpid(), State.STARTING, clock.now(), rules_of(settings))

    def __enter__(self) -> Teller:
        self._write()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, Exception):
            imports = isinstance(error, (HandlerError, ConfigError))
            why = Trouble.HANDLERS if imports else Trouble.ERROR
            self._change(state=State.BROKEN, troubles={why: str(error) or type(error).__name__})
        else:
            with suppress(OSError):
                forget_told(self._folder)

    def use(self, settings: Settings) -> None:
        """Tell of the settings that hold from now on, with handlers that were imported."""
        gone = (Trouble.HANDLERS, Trouble.RELOAD)
        left = {kind: why for kind, why in self._told.troubles.items() if kind not in gone}
        self._change(state=State.READY, rules=rules_of(settings), troubles=left)

    def stopping(self) -> None:
        """Tell that no more jobs are claimed."""
        if self._told.state is not State.STOPPING:
            self._change(state=State.STOPPING)

    def trouble(self, kind: Trouble, why: object) -> None:
        """Tell of a trouble."""
        if self._told.troubles.get(kind) != str(why):
            self._change(troubles={**self._told.troubles, kind: str(why)})

    def over(self, kind: Trouble) -> None:
        """Tell that a trouble has passed."""
        if kind in self._told.troubles:
            left = {one: why for one, why in self._told.troubles.items() if one is not kind}
            self._change(troubles=left)

    def _change(self, **fields: Any) -> None:
        if fields.get("state", self._told.state) is not self._told.state:
            fields["since"] = self._clock.now()
        self._told = msgspec.structs.replace(self._told, **fields)
        self._write()

    def _write(self) -> None:
        with suppress(OSError):
            write_told(self._folder, self._told)


def rules_of(settings: Settings) -> Rules:
    """Return what of a daemon's settings holds for jobs."""
    return Rules(
        concurrency=settings.concurrency,
        options=settings.options,
        limits=settings.limits,
        kill_after=settings.terms.kill_after,
        shutdown_timeout=settings.shutdown_timeout,
    )
