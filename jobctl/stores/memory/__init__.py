"""The store in memory: the reference for what a store does. It lives as long as its object.

Simple before fast: a dict of jobs, one lock, and a walk over all of them to answer a
question. A transaction works on a copy and puts it in place at the end.
"""

from __future__ import annotations

from jobctl.stores.memory.store import MemoryStore
from jobctl.stores.memory.transaction import MemoryTransaction

__all__ = ["MemoryStore", "MemoryTransaction"]
