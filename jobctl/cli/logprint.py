"""How a log is printed: as text that is safe to look at, as JSON, or as it is.

The text of jobs is made safe for a pipe as well: what comes out of it ends on a terminal, too.
"""

from __future__ import annotations

import codecs
import re
import sys
from collections.abc import Iterable
from typing import Any, Protocol

from jobctl.cli import render
from jobctl.core.text import clean
from jobctl.errors import InvalidJob
from jobctl.services import logread

_TAB = "    "
_LINE_END = re.compile("\r+\n")


class Printer(Protocol):
    """What a log goes to, in pieces."""

    def put(self, pieces: Iterable[bytes]) -> bool:
        """Print pieces; return whether there were any."""
        ...

    def end(self, job: Any = None) -> None:
        """Print what is left. `job` is the record of one that was followed to its end."""
        ...


def printer(*, raw: bool, as_json: bool) -> Printer:
    """Return the one that is asked for. Raises InvalidJob."""
    if raw and as_json:
        raise InvalidJob("--raw and --json exclude each other: give one")
    if raw and render.on_terminal(sys.stdout):
        raise InvalidJob("--raw is for pipes and files: on a terminal a log could do anything")
    return Raw() if raw else JsonLines() if as_json else Text()


class Text:
    """Text for people: whatever could steer a terminal is shown as an escape."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""  # the end of a line may be cut in two
        self._open = False  # whether a line has begun

    def put(self, pieces: Iterable[bytes]) -> bool:
        any_came = False
        for piece in pieces:
            any_came = True
            self._write(self._held + self._decoder.decode(piece))
        sys.stdout.flush()
        return any_came

    def _write(self, text: str) -> None:
        shown = text.rstrip("\r")
        self._held = text[len(shown) :]
        if shown:
            shown = _LINE_END.sub("\n", shown).replace("\t", _TAB)
            sys.stdout.write(clean(shown, lines=True))
            self._open = not shown.endswith("\n")

    def end(self, job: Any = None) -> None:
        self._write(self._held + self._decoder.decode(b"", final=True))
        self.new_line()

    def new_line(self) -> None:
        """End a line that has begun."""
        if self._open:
            sys.stdout.write("\n")
            self._open = False


class Raw:
    """The bytes of the log."""

    def put(self, pieces: Iterable[bytes]) -> bool:
        any_came = False
        for piece in pieces:
            any_came = True
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return any_came

    def end(self, job: Any = None) -> None:
        pass


class JsonLines:
    """An object a line: {"line": ...}, and {"job": ...} at the end of one that was followed."""

    def __init__(self) -> None:
        self._begun = b""

    def put(self, pieces: Iterable[bytes]) -> bool:
        any_came = False
        for line in logread.lines((self._begun, *pieces)):
            any_came = True
            if line.endswith(b"\n") or len(line) > logread.LONGEST_LINE:
                self._print(line)
                self._begun = b""
            else:
                self._begun = line
        sys.stdout.flush()
        return any_came

    def _print(self, line: bytes) -> None:
        render.json({"line": text_of(line)}, one_line=True)

    def end(self, job: Any = None) -> None:
        if self._begun:
            self._print(self._begun)
        if job is not None:
            render.json({"job": job}, one_line=True)


def text_of(line: bytes) -> str:
    """Return a line as text, without its end."""
    return line.removesuffix(b"\n").decode("utf-8", "replace")
