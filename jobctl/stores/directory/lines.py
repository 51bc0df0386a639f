"""The lines of the journal: a JSON object each, its place in its transaction, a checksum.

    {"kind":"job",…,"rev":1,"seq":4294967363,"tx":[1,2],"crc":"0a1b2c3d"}

`tx` is k of n: all n lines of a transaction count, or none. `crc` is the CRC-32 of the
line as it would be without that last key. Both stand at the end, so a writer learns from
the last bytes of a segment whether its last transaction is whole.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec

from jobctl.core.job import Job, Status
from jobctl.core.note import Note
from jobctl.core.unreadable import UNREADABLE

_CRC_LENGTH = len(',"crc":"00000000"}')
_END = re.compile(rb',"tx":\[(\d+),(\d+)\],"crc":"[0-9a-f]{8}"\}\n\Z')
_ID = re.compile(rb'\{"kind":"(?:job|tombstone)","id":"([A-Za-z0-9._:@-]+)"')
#: Bytes at the end of a segment that are enough to see `tx` and `crc`.
END_LENGTH = 64

#: How the record of a job ends that has no seq yet.
_NO_SEQ = b',"seq":0}'

_encode = msgspec.json.Encoder().encode
_decode_job = msgspec.json.Decoder(Job[Any]).decode


#: What SQLite takes. A line that says anything else is none of ours.
Whole = Annotated[int, msgspec.Meta(ge=-(2**63) + 1, le=2**63 - 1)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class Entry(msgspec.Struct, gc=False):
    """What the index wants to know of a line, whatever its kind.

    It refers to nothing that could refer to it, so the garbage collector need not look: of
    ten thousand at a time that would cost as much as reading them. Its fields come as they
    stand in a record: each is looked for behind the one before it.
    """

    kind: str
    id: str = ""
    name: str = ""
    status: Status = Status.PENDING
    priority: Whole = 0
    attempts: Whole = 0
    created_at: Moment | None = None
    run_at: Moment | None = None
    started_at: Moment | None = None
    finished_at: Moment | None = None
    tags: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    concurrency_key: str | None = None
    shell: Any = None
    cancelling: bool = False
    rev: Whole = 0
    seq: Whole = 0
    tx: tuple[int, int] = (1, 1)
    key: str = ""  # of a note, whose kind is its topic
    at: Moment | None = None
    value: msgspec.Raw = msgspec.Raw(b"null")
    segment: int = 0

    @property
    def gone(self) -> bool:
        """Whether the line says that a note is there no more."""
        return bytes(self.value) == b"null"


class Tombstone(msgspec.Struct, tag_field="kind", tag="tombstone", frozen=True):
    """A deleted job's last line."""

    id: str
    rev: int
    seq: int

    @property
    def kind(self) -> str:
        """The line's kind, as the index asks for it."""
        return "tombstone"


class NoteLine(msgspec.Struct, frozen=True):
    """A note; without a value it is there no more."""

    kind: str
    key: str
    at: Moment
    value: dict[str, Any] | None

    @property
    def gone(self) -> bool:
        """Whether the line says that it is there no more."""
        return self.value is None

    @classmethod
    def of(cls, note: Note) -> NoteLine:
        """Return the line of a note."""
        return cls(note.topic, note.key, note.at, note.value)


class SegmentHeader(msgspec.Struct, tag_field="kind", tag="segment"):
    """The first line of a segment.

    `void` names the segment before it and its last good length, if an fdatasync failed
    there: what lies beyond was never acknowledged, whatever a later fsync may say.
    """

    format: int
    store: str
    segment: int
    void: int | None = None


_decode_entry = msgspec.json.Decoder(Entry).decode
decode_header = msgspec.json.Decoder(SegmentHeader).decode
_decode_note = msgspec.json.Decoder(NoteLine).decode


def encode(thing: object) -> bytes:
    """Return the open line of a record: JSON without the closing brace."""
    return _encode(thing)[:-1]


def encode_add(thing: object) -> bytes | None:
    """Return the open line of a new job up to its seq, which comes last; None of all else."""
    text = _encode(thing)
    return text[:-2] if text.endswith(_NO_SEQ) else None


def seal(line: bytes, k: int, n: int) -> bytes:
    """Return the whole line, with its place in the transaction, checksum and newline."""
    end = b',"tx":[%d,%d]' % (k, n)
    # A checksum goes on from a part to the next, so nothing is copied for it.
    crc = zlib.crc32
    return b'%b%b,"crc":"%08x"}\n' % (line, end, crc(b"}", crc(end, crc(line))))


def seal_all(opened: Sequence[bytes], base: int | None = None) -> list[bytes]:
    """Return the whole lines of one transaction.

    With a `base` the open ones end before their seq: the first gets that one, the others those
    that follow.
    """
    if base is not None:
        opened = [b"%b%d" % (line, seq) for seq, line in enumerate(opened, base)]
    n = len(opened)
    return [seal(line, k, n) for k, line in enumerate(opened, 1)]


def checksum(line: bytes) -> str:
    """Return the checksum that a whole line (with its newline) carries, unverified."""
    return line[-11:-3].decode("ascii", "replace")


def intact(line: bytes) -> bool:
    """Return whether a line (with its newline) is as it was written."""
    body = line[: -_CRC_LENGTH - 1]
    wanted = b',"crc":"%08x"}\n' % zlib.crc32(b"}", zlib.crc32(body))
    return line.endswith(wanted)


def read_entry(line: bytes) -> Entry | None:
    """Return what the index wants to know of a line, None if it is damaged or none of ours."""
    try:
        return _decode_entry(line) if intact(line) else None
    except UNREADABLE:
        return None


def read_entries(found: Iterable[bytes]) -> list[Entry | None]:
    """Return the same of many lines."""
    entries: list[Entry | None] = []
    # What `intact` and `read_entry` say, without the calls: it is done a million times.
    add, decode, crc = entries.append, _decode_entry, zlib.crc32
    end = -_CRC_LENGTH - 1
    for line in found:
        try:
            if line.endswith(b',"crc":"%08x"}\n' % crc(b"}", crc(line[:end]))):
                add(decode(line))
            else:
                add(None)
        except UNREADABLE:
            add(None)
    return entries


def place_in_transaction(end: bytes) -> tuple[int, int] | None:
    """Return k and n of the line that `end` ends with, None if it is no line of ours."""
    match = _END.search(end)
    return (int(match[1]), int(match[2])) if match else None


def decode_job(line: bytes) -> Job[Any]:
    """Return the job of a line that is intact.

    Raises msgspec.MsgspecError if it holds something else.
    """
    return _decode_job(line)


def job_id(line: bytes) -> str | None:
    """Return the id of the job that a line is about, None if it is about none."""
    match = _ID.match(line)
    return match[1].decode() if match else None


def decode_note(line: bytes) -> Note | None:
    """Return the note of a line that is intact, None if it says that there is none.

    Raises msgspec.MsgspecError if it holds something else.
    """
    found = _decode_note(line)
    return None if found.value is None else Note(found.kind, found.key, found.at, found.value)
