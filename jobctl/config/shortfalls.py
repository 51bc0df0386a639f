"""What a configuration asks for and nobody does yet."""

from __future__ import annotations

from jobctl.config.model import Config


def shortfalls(config: Config) -> list[str]:
    """Return a sentence for each setting that this version does not act on."""
    said = []
    if config.run.async_concurrency > 1:
        said.append("[run] async_concurrency: this version runs one async job per worker")
    return said
