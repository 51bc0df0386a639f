"""Text from jobs, made safe to show; and which of some words was meant."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

# What must not reach a terminal or a log line as it is: C0 and C1 controls, DEL, the
# bidirectional marks that reorder a line (CVE-2021-42574), line and paragraph separators,
# zero-width and tag characters that hide, and lone surrogates that cannot be encoded.
_CONTROLS, _CONTROLS_BUT_LINES = "\x00-\x1f", "\x00-\x08\x0b-\x1f"
_UNSAFE = (
    "\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"
)


def clean(text: object, *, lines: bool = False) -> str:
    """Return `text` with every character that could steer a terminal written as an escape.

    With `lines`, newlines and tabs stay: for text that is shown as a block, such as a
    traceback. ESC becomes the four characters `\\x1b`.
    """
    plain = str(text)
    # What Unicode calls printable is harmless; to make the pattern takes half a millisecond.
    if plain.isprintable():
        return plain
    return _pattern(lines).sub(_escape, plain)


@cache
def _pattern(lines: bool) -> re.Pattern[str]:
    return re.compile(f"[{_CONTROLS_BUT_LINES if lines else _CONTROLS}{_UNSAFE}]")


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def nearest(word: str, choices: list[str]) -> str | None:
    """Return the choice that `word` was most likely meant to be, or None."""
    import difflib  # only for those who erred

    found = difflib.get_close_matches(word, choices, n=1, cutoff=0.6)
    return found[0] if found else None


def meant(word: str, choices: Iterable[str], otherwise: str) -> str:
    """Return the question whether the nearest choice was meant, `otherwise` if none is near."""
    right = nearest(word, list(choices))
    return f"did you mean {right}?" if right else otherwise


def unknown(what: str, word: str, choices: list[str]) -> str:
    """Return what is said of a word that is none of the choices."""
    hint = meant(word.lower(), choices, f"use {', '.join(choices)}")
    return f"{what} {ascii(word)[:60]} is unknown: {hint}"
