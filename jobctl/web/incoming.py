"""The body of a request as it comes in: of a size and in a time that were agreed on."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from jobctl.web.problems import Refused
from jobctl.web.wire import Receive

#: What is refused is read all the same, for so many seconds and up to so many times what
#: would be allowed: a client that is cut off while it sends does not see the answer.
DISCARD = 2.0
DISCARDED = 8


class Incoming:
    """One body, of at most `limit` bytes and within `patience` seconds."""

    def __init__(self, receive: Receive, limit: int, patience: float) -> None:
        self._receive = receive
        self._limit = limit
        self._patience = patience
        self._more = True

    async def read(self) -> bytes:
        """Return all of it. Raises Refused."""
        parts = bytearray()
        try:
            async with asyncio.timeout(self._patience):
                while self._more:
                    parts += await self._part()
                    if len(parts) > self._limit:
                        raise self.too_large()
        except TimeoutError:
            raise Refused(408, f"the body did not come within {self._patience:g} s") from None
        return bytes(parts)

    def too_large(self) -> Refused:
        """Return what is said of one that is larger than it may be."""
        return Refused(413, f"the body is too large: the limit is {self._limit:,} bytes")

    async def discard(self) -> None:
        """Read what is left, as far as that is worth it, and throw it away."""
        left = DISCARDED * self._limit
        with suppress(TimeoutError, Refused):
            async with asyncio.timeout(DISCARD):
                while self._more and left > 0:
                    left -= len(await self._part())

    async def _part(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._more = False
            raise Refused(400, "the request ended before its body did")
        self._more = message.get("more_body", False)
        part: bytes = message.get("body", b"")
        return part
