"""Who may ask: whoever has the token, which is in the store's folder or in JOBCTL_TOKEN.

It comes in the Authorization header only. A browser would send a cookie of this address to
every other port of it, SameSite=Strict or not; a header it sends nowhere by itself.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from hmac import compare_digest
from pathlib import Path

from jobctl.errors import ConfigError, StoreUnwritable
from jobctl.services.whole import OURS
from jobctl.web.wire import Headers, values

VARIABLE = "JOBCTL_TOKEN"
#: Random bytes of a token that is made here.
SIZE = 32
_LONGEST = 4096


def find_token(folder: Path, environ: Mapping[str, str]) -> str:
    """Return the token: that of the environment, else the folder's, which is made if need be.

    Raises ConfigError if it is empty or cannot be read, StoreUnwritable if it cannot be made.
    """
    path = folder / "token"
    token, where = environ.get(VARIABLE), VARIABLE
    if token is None:
        where = str(path)
        try:
            token = _read(path)
        except (OSError, ValueError) as err:
            raise ConfigError(
                f"{path} cannot be used ({err}): remove it, and it is made anew"
            ) from None
        if token is None:
            try:
                token = _make(path)
            except OSError as err:  # a full or read-only disk, as for the rest of the store
                raise StoreUnwritable(f"{path} cannot be made: {err.strerror}") from None
    token = token.strip()
    if not token:
        raise ConfigError(f"{where} is empty: it is the token that the dashboard asks for")
    return token


def _read(path: Path) -> str | None:
    try:
        fd = os.open(path, os.O_RDONLY | OURS)
    except FileNotFoundError:
        return None
    with open(fd, encoding="utf-8") as file:
        return file.read(_LONGEST)


def _make(path: Path) -> str:
    token = secrets.token_urlsafe(SIZE)
    draft = path.with_name(f"token.{os.getpid()}-{secrets.token_hex(4)}")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(fd, "w", encoding="utf-8") as file:
            file.write(token + "\n")
        # A link fails where a rename would replace what another process has just made.
        os.link(draft, path)
    except FileExistsError:
        return _read(path) or ""
    finally:
        os.unlink(draft)
    return token


def allows(headers: Headers, token: str) -> bool:
    """Return whether a request brings the token."""
    given = values(headers, b"authorization")
    if len(given) != 1:
        return False
    scheme, _, rest = given[0].strip().partition(b" ")
    # As bytes: compare_digest raises for text beyond ASCII.
    same = compare_digest(rest.strip(), token.encode("utf-8", "surrogateescape"))
    return scheme.lower() == b"bearer" and same
