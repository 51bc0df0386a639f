"""How bash, zsh and fish ask for completions, and how they want the answer.

The scripts are typer's (`jobctl --install-completion`). What zsh is given it evaluates, and
bash expands: so a value is made of harmless characters or left out, and so is a help text.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from jobctl.services.candidates import Candidate

_HARMLESS = re.compile(r"[A-Za-z0-9._:@=,/+-]+", re.ASCII)
_HARMFUL = re.compile(r"[^A-Za-z0-9 ._:@=,;/+*()'-]", re.ASCII)
#: Where bash ends a word, beside blanks (COMP_WORDBREAKS): times in ids have them.
_BREAKS = frozenset(":=")


class Question(NamedTuple):
    """The words before the one that is being typed, and that one, as far as it goes.

    `kept` is the beginning of it that the shell keeps as it is.
    """

    words: list[str]
    current: str
    kept: str = ""


class Shell(Protocol):
    """One of the shells."""

    def question(self, environ: Mapping[str, str]) -> Question:
        """Return what is asked for."""
        ...

    def answer(
        self, asked: Question, found: Sequence[Candidate], *, files: bool
    ) -> tuple[str, int]:
        """Return what to print, and the exit code; `files` says that files fit as well."""
        ...


class Bash:
    """It gets words that it has split at colons and equals signs, and no help texts."""

    def question(self, environ: Mapping[str, str]) -> Question:
        tokens = split(environ["COMP_WORDS"])
        at = int(environ["COMP_CWORD"])
        raw = tokens[at] if at < len(tokens) else ""
        words = _joined([*tokens[1:at], *([raw] if raw else [])])
        if not raw:
            return Question(words, "")
        current = words.pop()
        kept = "" if raw == current else current.removesuffix("" if _breaks(raw) else raw)
        return Question(words, current, kept)

    def answer(
        self, asked: Question, found: Sequence[Candidate], *, files: bool
    ) -> tuple[str, int]:
        return "\n".join(one.value.removeprefix(asked.kept) for one in found), 0


class Zsh:
    """It evaluates what it is given: a list of its own, with help texts."""

    def question(self, environ: Mapping[str, str]) -> Question:
        return _line(environ)

    def answer(
        self, asked: Question, found: Sequence[Candidate], *, files: bool
    ) -> tuple[str, int]:
        if not found:
            return ("_files" if files else ""), 0
        before = "compset -P '*='; " if _is_value(asked) else ""
        rows = " ".join(_quoted(_described(one)) for one in found)
        script = f"local -a found; found=({rows}); _describe -V jobctl found"
        return before + script, 0


class Fish:
    """It asks twice: whether there is anything but files, and what."""

    def __init__(self, action: str) -> None:
        self._action = action

    def question(self, environ: Mapping[str, str]) -> Question:
        return _line(environ)

    def answer(
        self, asked: Question, found: Sequence[Candidate], *, files: bool
    ) -> tuple[str, int]:
        if self._action == "is-args":
            return "", int(files)
        option = asked.current.partition("=")[0] + "=" if _is_value(asked) else ""
        rows = (f"{option}{one.value}\t{one.about}" for one in found)
        return "\n".join(row.rstrip("\t") for row in rows), 0


def shell_of(environ: Mapping[str, str]) -> Shell | None:
    """Return the shell that asks, None for one that is not known here."""
    name = environ.get("_JOBCTL_COMPLETE", "").removeprefix("complete_")
    if name == "fish":
        return Fish(environ.get("_TYPER_COMPLETE_FISH_ACTION", ""))
    known: dict[str, Shell] = {"bash": Bash(), "zsh": Zsh()}
    return known.get(name)


def harmless(found: Iterable[Candidate]) -> list[Candidate]:
    """Return what a shell may be given: no value that it would take for more than text."""
    return [
        Candidate(one.value, " ".join(_HARMFUL.sub(" ", one.about).split()))
        for one in found
        if _HARMLESS.fullmatch(one.value)
    ]


def split(text: str) -> list[str]:
    """Return the words of a line that may end within quotes."""
    lexer = shlex.shlex(text, posix=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    found: list[str] = []
    try:
        found.extend(lexer)
    except ValueError:  # no closing quotation yet
        found.append(lexer.token)
    return found


def _line(environ: Mapping[str, str]) -> Question:
    text = environ.get("_TYPER_COMPLETE_ARGS", "")
    words = split(text)[1:]
    if words and not text[-1:].isspace():
        return Question(words[:-1], words[-1])
    return Question(words, "")


def _joined(tokens: Iterable[str]) -> list[str]:
    words: list[str] = []
    glue = False
    for token in tokens:
        if words and (glue or _breaks(token)):
            words[-1] += token
        else:
            words.append(token)
        glue = _breaks(token)
    return words


def _breaks(token: str) -> bool:
    return bool(token) and _BREAKS.issuperset(token)


def _is_value(asked: Question) -> bool:
    return asked.current.startswith("--") and "=" in asked.current


def _described(one: Candidate) -> str:
    value = one.value.replace(":", "\\:")
    return f"{value}:{one.about}" if one.about else value


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
