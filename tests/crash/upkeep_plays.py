"""Backup, restore and repair of a store, on a disk whose power is cut."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

from jobctl.stores.directory import journal
from jobctl.stores.directory.backup import backup
from jobctl.stores.directory.doctor import examine
from jobctl.stores.directory.repair import repair
from jobctl.stores.directory.restore import check, restore
from jobctl.stores.directory.store import DirectoryStore
from tests.crash.playing import state_of
from tests.crash.plays import Play, Stubborn, Tell
from tests.crash.stepping import State, state
from tests.crash.store_steps import SMALL
from tests.helpers import NOON, claim, end, make_job, put
from tests.stores.tools import segment

LATER = NOON.replace(year=2027)
#: Where bytes that do not count may be.
_KEEPERS = ("journal/*.jsonl", "quarantine/*.bin")


class _Upkeep(Play):
    """A store with several segments."""

    def __init__(self) -> None:
        super().__init__("")

    def prepare(self, folder: Path, scratch: Path) -> None:
        journal.SEGMENT_SIZE = SMALL
        store = DirectoryStore(folder / "store")
        for n in range(9):
            put(store, make_job(f"j{n}"))
        for job in claim(store, 3):
            end(store, job)
        self.expected = [state(store)]
        store.close()


class Backup(_Upkeep):
    """A backup that was said to be there is there, and whole; no other is half there."""

    def run(self, folder: Path, tell: Tell) -> None:
        backup(folder / "store", folder / "b.tar", NOON)
        tell(b"+")

    def allowed(self, told: bytes) -> list[State]:
        backed_up = {**self.expected[0], "the backup": ("whole", 0)}
        return [backed_up] if told else [self.expected[0], backed_up]

    def look(self, folder: Path, copy: Path) -> State:
        found = super().look(folder, copy)
        if not (folder / "b.tar").exists():
            return found
        restore(folder / "restored", folder / "b.tar", NOON)
        assert state_of(folder / "restored") == self.expected[0], "the backup holds another"
        return {**found, "the backup": ("whole", 0)}

    def look_read_only(self, folder: Path) -> State | None:
        there = super().look_read_only(folder) or {}
        if (folder / "b.tar").exists():
            check(folder / "b.tar")
            there["the backup"] = ("whole", 0)
        return there


class Restore(_Upkeep):
    """The old store is there or the new one, whole, and so is the one put aside."""

    def prepare(self, folder: Path, scratch: Path) -> None:
        super().prepare(folder, scratch)
        backup(folder / "store", folder / "b.tar", NOON)
        store = DirectoryStore(folder / "store")
        put(store, make_job("later"))
        self.expected.append(state(store))
        store.close()

    def run(self, folder: Path, tell: Tell) -> None:
        restore(folder / "store", folder / "b.tar", NOON, force=True)
        tell(b"+")

    def allowed(self, told: bytes) -> list[State]:
        return self.expected[:1] if told else self.expected

    def look(self, folder: Path, copy: Path) -> State:
        old, new = self.expected[1], self.expected[0]
        found = state_of(folder / "store")
        for one in folder.glob("store.*"):
            if not (one / "backup.json").exists() and any(one.iterdir()):
                # What stands there without the mark of a draft is a store.
                assert state_of(one) == (old if found == new else new), one.name
        assert super().look(folder, copy) == found
        if found == new:
            others = [one for one in folder.glob("store.*") if (one / "store.json").exists()]
            assert old in map(state_of, others), "the old one is gone"
        restore(folder / "store", folder / "b.tar", LATER, force=True)
        assert state_of(folder / "store") == new, "it cannot be begun anew"
        return found


class RestoreAnew(_Upkeep):
    """Where there was no store there is none, or all of the one that was backed up."""

    def prepare(self, folder: Path, scratch: Path) -> None:
        super().prepare(folder, scratch)
        backup(folder / "store", folder / "b.tar", NOON)
        shutil.rmtree(folder / "store")

    def run(self, folder: Path, tell: Tell) -> None:
        restore(folder / "store", folder / "b.tar", NOON)
        tell(b"+")

    def allowed(self, told: bytes) -> list[State]:
        return self.expected if told else [{}, self.expected[0]]


class Repair(_Upkeep):
    """It can be begun anew, and ends as if nothing had happened; no byte is lost."""

    def prepare(self, folder: Path, scratch: Path) -> None:
        super().prepare(folder, scratch)
        path = folder / "store"
        self._bad = [b"what is this\n"]
        for number, at in ((1, 700), (2, 900)):
            text = bytearray(segment(path, number).read_bytes())
            text[at] ^= 1
            segment(path, number).write_bytes(text)
            start = text.rfind(b"\n", 0, at) + 1
            self._bad.append(bytes(text[start : text.find(b"\n", at) + 1]))
        with segment(path, 3).open("ab") as file:
            file.write(self._bad[0])
        shutil.copytree(path, scratch)
        assert repair(scratch, NOON).left == []
        self.expected = [state_of(scratch)]
        shutil.rmtree(scratch)

    def run(self, folder: Path, tell: Tell) -> None:
        assert repair(folder / "store", NOON).left == []
        tell(b"+")

    def allowed(self, told: bytes) -> list[State]:
        return self.expected

    def look(self, folder: Path, copy: Path) -> State:
        path = folder / "store"
        kept = [one.read_bytes() for name in _KEEPERS for one in path.glob(name)]
        for bad in self._bad:
            assert any(bad in text for text in kept), f"nobody has {bad!r} any more"
        assert repair(path, NOON).left == []
        assert examine(path, NOON).findings == []
        return state_of(path)

    def look_read_only(self, folder: Path) -> State | None:
        return self.expected[0]


class Broken(Stubborn):
    """A write could not be made durable, and the disk has taken no new segment either."""

    def __init__(self) -> None:
        super().__init__(late=True)

    def run(self, folder: Path, tell: Tell) -> None:
        def rename(*names: Any, **folders: Any) -> None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        DirectoryStore(folder / "store").close()
        os.rename = rename
        super().run(folder, tell)

    def look(self, folder: Path, copy: Path) -> State:
        for path in (folder / "store", copy / "store"):
            if any(path.glob("journal/*.broken")):
                assert repair(path, NOON).left == []
        return super().look(folder, copy)
