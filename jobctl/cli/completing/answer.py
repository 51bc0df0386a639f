"""The answer to a TAB: quick, without a word, and without changing anything.

Typer would import Rich for it. Whatever goes wrong, nothing is offered and nothing is said:
somebody is typing.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from typing import TYPE_CHECKING, Any

from jobctl.cli.completing import shells, sources
from jobctl.services.candidates import Candidate

if TYPE_CHECKING:
    from typer._click import Command

#: Seconds that it may take.
LONGEST = 1.0


def complete(command: Command, environ: Mapping[str, str]) -> int:
    """Print what fits, and return the exit code."""
    text, code = "", 0
    try:
        with _deadline(), _silence():
            shell = shells.shell_of(environ)
            if shell is not None:
                asked = shell.question(environ)
                found, files = _candidates(command, asked)
                text, code = shell.answer(asked, found, files=files)
    except BaseException:
        return 0
    if text:
        sys.stdout.write(text + "\n")
    return code


def _candidates(command: Command, asked: shells.Question) -> tuple[list[Candidate], bool]:
    """Return what fits, and whether files do as well."""
    # No public way leads here; a test tells if typer moves them.
    from typer._click.core import Parameter
    from typer._click.shell_completion import _resolve_context, _resolve_incomplete

    words = list(asked.words)
    ctx = _resolve_context(command, {}, "jobctl", words)
    place, typed = _resolve_incomplete(ctx, words, asked.current)
    found: list[Candidate]
    if not isinstance(place, Parameter):
        items = place.shell_complete(ctx, typed)
        found = [Candidate(str(one.value), one.help or "") for one in items]
        return shells.harmless(found), False
    source = sources.source_of(ctx, place)
    some: Any = source(ctx, place, typed) if source else ()
    found = shells.harmless(one for one in some if one.value.startswith(typed))
    return found, sources.takes_files(place)


@contextmanager
def _deadline() -> Iterator[None]:
    def over(number: int, frame: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, LONGEST)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _silence() -> Iterator[None]:
    """Let nothing reach the terminal, be it from a callback such as that of --version."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(StringIO()):
        sys.stderr, before = nowhere, sys.stderr
        try:
            yield
        finally:
            sys.stderr = before
