"""On which line of a TOML text a key stands: tomllib does not say.

The text has been parsed before, so what is found here is well-formed TOML, and a scan for
strings, brackets and the marks between keys is enough.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

from jobctl.config.model import Key

# Compiled by the first that needs it: a configuration without faults needs no lines.
_PARTS = (
    r'"""(?:\\.|[^\\])*?"{3,5}'  # strings, the long ones first: marks in them mean nothing
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|\#[^\n]*"
    r"|[\n\[\]{}=,.]"
    r"|[^\s\[\]{}=,.\"'#]+"
)


def locate(text: str) -> dict[Key, int]:
    """Return the line, from 1, on which each table and each key first appears."""
    return _Scan(text).lines


class _Scan:
    """One walk over the text. `opened` holds the brackets and tables that are open."""

    def __init__(self, text: str) -> None:
        self.lines: dict[Key, int] = {}
        self._header: Key = ()
        self._opened: list[tuple[str, Key]] = []
        self._key: list[str] = []
        self._path: Key = ()
        self._in_key = True
        for part, line in _tokens(text):
            if self._in_key:
                self._read_key(part, line)
            else:
                self._read_value(part)

    def _read_key(self, part: str, line: int) -> None:
        if part == "=":
            above = self._opened[-1][1] if self._opened else self._header
            self._path = (*above, *self._key)
            self._note(self._path, line)
            self._in_key = False
        elif part == "]":
            self._header = tuple(self._key)
            self._note(self._header, line)
        elif part == "\n":
            self._key = []
        elif part == "}":  # of an empty table
            self._close()
        elif part not in "[.":
            self._key.append(_unquote(part))

    def _read_value(self, part: str) -> None:
        if part == "{":
            self._opened.append((part, self._path))
            self._key, self._in_key = [], True
        elif part == "[":
            self._opened.append((part, self._path))
        elif part in ("]", "}"):
            self._close()
        elif part == "," and self._opened[-1][0] == "{":
            self._key, self._in_key = [], True
        elif part == "\n" and not self._opened:
            self._key, self._in_key = [], True

    def _close(self) -> None:
        _, self._path = self._opened.pop()
        self._in_key = False

    def _note(self, path: Key, line: int) -> None:
        # `a.b.c = 1` also is where a and a.b begin, unless they stood before.
        for length in range(1, len(path) + 1):
            self.lines.setdefault(path[:length], line)


def _tokens(text: str) -> Iterator[tuple[str, int]]:
    line = 1
    for match in re.finditer(_PARTS, text, re.DOTALL):
        part = match[0]
        if not part.startswith("#"):
            yield part, line
        line += part.count("\n")


def _unquote(part: str) -> str:
    if part[0] not in "\"'":
        return part
    return str(tomllib.loads(f"key = {part}")["key"])
