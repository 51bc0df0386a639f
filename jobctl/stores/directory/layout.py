"""Where things stand in a store's folder, who may use it, and how its files are opened."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import msgspec

from jobctl.core.unreadable import UNREADABLE
from jobctl.errors import (
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreTooNew,
    StoreUnwritable,
)

#: The format that this version writes. A higher one is refused by name.
FORMAT = 1

#: What the system says when there is no room.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

# A lock or an fsync over the network promises less than it seems (nfs(5), flock(2)).
_REMOTE = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "afs", "9p", "lustre", "ocfs2")
_REMOTE_FUSE = ("fuse.sshfs", "fuse.glusterfs", "fuse.s3fs", "fuse.rclone", "fuse.ceph")


class Header(msgspec.Struct):
    """store.json: what this folder is."""

    format: int
    id: str = ""  # a newer format may know no such thing, and is refused by name all the same


class Layout:
    """The paths of one store."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.header = root / "store.json"
        self.journal = root / "journal"
        self.index = root / "index.sqlite"
        self.locks = root / "locks"
        self.write_lock = self.locks / "write.lock"
        self.daemon_lock = self.locks / "daemon.lock"
        self.maintenance_lock = self.locks / "maintenance.lock"
        self.quarantine = root / "quarantine"
        self.wake = root / "wake"

    def segment(self, number: int) -> str:
        """Return the path of a journal segment."""
        return f"{self.journal}/{number:08d}.jsonl"


def open_store(root: Path) -> tuple[Layout, str]:
    """Create the store if it is not there, check it, and return its layout and id.

    Raises StoreUnwritable, StoreTooNew or StoreCorrupt.
    """
    layout = Layout(root)
    try:
        if not root.exists():
            _refuse_remote(root)
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = _check_folder(root)
        header = _read_header(layout) or create_header(layout, os.urandom(10).hex())
        if mode & 0o077:
            root.chmod(0o700)
        for folder in (layout.journal, layout.locks):
            folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as err:
        raise store_error(err, root) from err
    return layout, header.id


def _check_folder(root: Path) -> int:
    info = root.stat()
    if not stat.S_ISDIR(info.st_mode):
        raise StoreUnwritable(f"{root} is not a folder, so it cannot be a store")
    if info.st_uid != os.geteuid():
        raise StoreUnwritable(
            f"{root} belongs to user {info.st_uid}, not to you ({os.geteuid()}): "
            "run jobctl as its owner, or name another store with --store"
        )
    return stat.S_IMODE(info.st_mode)


def _read_header(layout: Layout) -> Header | None:
    try:
        text = read_file(layout.header)
    except FileNotFoundError:
        _refuse_remote(layout.root)
        others = [name for name in os.listdir(layout.root) if not name.startswith("store.json")]
        if others and layout.header.exists():
            return _read_header(layout)  # somebody has made the store in between
        if others:
            raise StoreCorrupt(
                f"{layout.root} holds {others[0]!r} but no store.json, so it is no store: "
                "name another folder, or see whether jobctl doctor finds a store in it"
            ) from None
        return None
    return _header_of(layout, text)


def _header_of(layout: Layout, text: bytes) -> Header:
    try:
        header = msgspec.json.decode(text, type=Header)
    except UNREADABLE as err:
        raise StoreCorrupt(
            f"{layout.header} cannot be read ({err}): run jobctl doctor --repair, or put it "
            "back from a backup"
        ) from None
    if header.format > FORMAT:
        raise StoreTooNew(
            f"{layout.root} was written in format {header.format}, this jobctl knows {FORMAT}: "
            "use the jobctl that wrote it, or a newer one"
        )
    return header


def look_at_store(root: Path) -> tuple[Layout, str | None]:
    """Return layout and id of a store that is there, and change nothing.

    The id is None if store.json is missing or cannot be read. Raises StoreUnwritable if
    there is no store at all, StoreTooNew.
    """
    layout = Layout(root)
    try:
        _check_folder(root)
        if not os.listdir(root):
            raise FileNotFoundError
        return layout, _header_of(layout, read_file(layout.header)).id or None
    except FileNotFoundError:
        if layout.journal.is_dir():
            return layout, None
        raise StoreUnwritable(
            f"there is no store at {root}: `jobctl add` makes one, --store names another"
        ) from None
    except StoreCorrupt:
        return layout, None
    except OSError as err:
        if err.errno == errno.ELOOP:
            return layout, None
        raise store_error(err, root) from err


def id_of(layout: Layout) -> str | None:
    """Return the id that stands in store.json now, None if it cannot be read."""
    try:
        return _header_of(layout, read_file(layout.header)).id
    except (OSError, StoreError):
        return None


def create_header(layout: Layout, store_id: str) -> Header:
    """Write store.json, unless it is there. Raises OSError."""
    header = Header(FORMAT, store_id)
    # A name of its own for each thread too: two may make the store at once.
    draft = f"{layout.header}.{os.getpid()}-{header.id}"
    fd = open_file(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        text = msgspec.json.encode(header) + b"\n"
        if os.write(fd, text) < len(text):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(fd)
    except OSError:
        os.unlink(draft)
        raise
    finally:
        os.close(fd)
    try:
        # A link fails where a rename would replace what another process has just made.
        os.link(draft, layout.header)
    except FileExistsError:
        pass
    finally:
        os.unlink(draft)
    sync_folder(layout.root)
    try:
        sync_folder(layout.root.parent)
    except PermissionError:
        pass  # its owner made the store's folder, and may not let others list what is there
    return msgspec.json.decode(read_file(layout.header), type=Header)


def _refuse_remote(root: Path) -> None:
    kind = _file_system(root)
    if kind in _REMOTE or kind in _REMOTE_FUSE:
        raise StoreUnwritable(
            f"{root} lies on {kind}: a store needs a local file system. "
            "For several machines use PostgreSQL (store url = postgresql://...)"
        )


def _file_system(path: Path) -> str:
    """Return the type of the file system that holds `path`, from mountinfo (proc(5))."""
    best, kind = "", ""
    target = os.path.realpath(path)
    try:
        text = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    for line in text.splitlines():
        left, _, right = line.partition(" - ")
        mount = left.split()[4].replace("\\040", " ")
        inside = target == mount or target.startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(best):
            best, kind = mount, right.split()[0]
    return kind


def open_file(path: str | Path, flags: int) -> int:
    """Open one of the store's own files, 0600, never through a link, never a FIFO or device."""
    fd = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise StoreCorrupt(f"{path} is not a regular file: move it away")
    return fd


def is_there(path: str) -> bool:
    """Return whether there is something at `path`. Raises OSError if that cannot be told."""
    try:
        os.stat(path)
    except FileNotFoundError:
        return False
    return True


def read_file(path: str | Path, limit: int = 1 << 20) -> bytes:
    """Return the whole of one of the store's files, or its first `limit` bytes."""
    fd = open_file(path, os.O_RDONLY)
    try:
        return os.read(fd, limit)
    finally:
        os.close(fd)


def probe(layout: Layout) -> None:
    """Write, sync and remove a small file. Raises StoreError if that cannot be done."""
    path = layout.locks / f"probe.{os.getpid()}"
    try:
        try:
            fd = open_file(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            try:
                os.write(fd, bytes(4096))
                os.fsync(fd)
            finally:
                os.close(fd)
        finally:
            path.unlink(missing_ok=True)
    except OSError as err:
        raise store_error(err, layout.root) from err


def sync_folder(path: str | Path) -> None:
    """Make the names in a folder durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def store_error(err: OSError, what: object) -> StoreError:
    """Return the StoreError that says what the system said of `what`."""
    if err.errno in FULL:
        return StoreFull(f"{what}: {err.strerror}. Nothing was written; free some space")
    hint = {
        errno.EACCES: "check who owns it",
        errno.EPERM: "check who owns it",
        errno.EROFS: "mount it writable, or name another store with --store",
        errno.EIO: "check the disk",
        errno.ENOTDIR: "one of its parents is a file",
        errno.ELOOP: "the store follows no symbolic links",
    }.get(err.errno or 0, "the store cannot be used")
    return StoreUnwritable(f"{what}: {err.strerror}; {hint}")


def act_as_owner(root: Path) -> None:
    """As root, become the owner of an existing store: its files must not become root's.

    For good, with all ids: handlers run in this process's children. Raises StoreUnwritable
    if that user may not read the Python that runs this.
    """
    if os.geteuid() != 0:
        return
    try:
        info = root.stat()
    except OSError:
        return
    if info.st_uid != 0:
        os.setgroups([])
        os.setresgid(info.st_gid, info.st_gid, info.st_gid)
        os.setresuid(info.st_uid, info.st_uid, info.st_uid)
        if not os.access(os.__file__, os.R_OK) or not os.access(__file__, os.R_OK):
            raise StoreUnwritable(
                f"{root} belongs to user {info.st_uid}, whom root becomes to use it, but he "
                f"may not read {os.path.dirname(os.__file__)}: use a Python that he can read"
            )
