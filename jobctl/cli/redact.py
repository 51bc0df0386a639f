"""Secrets in job data, hidden before anything is shown."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

HIDDEN = "***"


def redacted(value: Any, keys: Collection[str]) -> Any:
    """Return `value` with the values of `keys` hidden, at any depth and in any case."""
    return _hide(value, frozenset(key.casefold() for key in keys)) if keys else value


def _hide(value: Any, keys: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {
            key: HIDDEN if key.casefold() in keys else _hide(item, keys)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_hide(item, keys) for item in value]
    return value
