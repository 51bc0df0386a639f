"""Bytes that cannot be trusted are kept apart, never thrown away."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from jobctl.errors import StoreError
from jobctl.stores.directory.layout import open_file
from jobctl.stores.directory.segments import Line


def keep_apart(folder: Path, line: Line, reason: str) -> None:
    """Keep bad bytes apart, with a note of where they were."""
    place = line.place
    name = f"{folder}/{place.segment:08d}-{place.offset}-{place.length}"
    note = {"segment": place.segment, "offset": place.offset, "length": place.length}
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        for suffix, content in (
            (".bin", line.text),
            (".json", msgspec.json.encode({**note, "reason": reason}) + b"\n"),
        ):
            fd = open_file(name + suffix, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            with os.fdopen(fd, "wb") as file:
                file.write(content)
    except (OSError, StoreError):
        pass  # the bytes stay where they are; a full disk must not stop the rest
