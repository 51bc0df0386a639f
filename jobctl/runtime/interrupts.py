"""What is raised inside a handler that shall end."""

from __future__ import annotations


class JobTimeout(Exception):
    """Raised inside a handler that runs longer than its timeout."""


class JobCancelled(BaseException):
    """Raised inside a handler whose job was cancelled."""
