"""What the terminal says of job names that no handler is known for."""

from __future__ import annotations

from collections.abc import Iterable

from jobctl.cli import render
from jobctl.cli.options import Session


def note_unknown(here: Session, names: Iterable[str], then: str) -> None:
    """Say of each name without a handler that it has none, and what follows (`then`)."""
    from jobctl import bootstrap

    known = bootstrap.known_handlers(here.config)
    if known is None:
        return
    for name in dict.fromkeys(names):
        if name not in known:
            from jobctl.core.text import nearest

            right = nearest(name, list(known))
            hint = f" (did you mean {right}?)" if right else ""
            render.note(f"no handler is known for {name}{hint}: {then}")
