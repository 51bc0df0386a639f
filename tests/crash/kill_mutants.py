"""Stores with a protection taken out, for the kills and the errors: each must be found out."""

from __future__ import annotations

from collections.abc import Callable

#: Each takes one protection out of the process that calls it.
MUTANTS: dict[str, Callable[[], None]] = {}
