"""What a configuration asks for and nobody does yet."""

from __future__ import annotations

from jobctl.config.model import Config


def shortfalls(config: Config) -> list[str]:
    """Return a sentence for each setting that this version does not act on."""
    tables = [table for table in ("schedules", "alerts") if getattr(config, table)]
    return [f"[{name}] is checked, but this version does not act on it yet" for name in tables]
