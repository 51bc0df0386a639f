"""Where the configuration and the store are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from jobctl.core.text import clean, meant
from jobctl.errors import ConfigError

FILE_NAME = "jobs.toml"
DROP_INS = "jobs.d"
SYSTEM_FILE = Path("/etc/jobctl") / FILE_NAME
URL = "postgresql://"


def find_file(config: str | Path | None, environ: Mapping[str, str], cwd: Path) -> Path | None:
    """Return the jobs.toml to read, as an absolute path, or None if there is none.

    The first of `config`, JOBCTL_CONFIG, the current folder or the nearest one above it,
    $XDG_CONFIG_HOME/jobctl, /etc/jobctl. A file that was named is not looked for.
    """
    named = config if config is not None else environ.get("JOBCTL_CONFIG")
    if config is not None and not str(config):
        raise ConfigError("--config is empty: name a jobs.toml")
    if named:
        return absolute(str(named), cwd)
    for folder in (cwd, *cwd.parents):
        # A broken link is found too: it was meant to be the configuration.
        if os.path.lexists(folder / FILE_NAME):
            return folder / FILE_NAME
    for path in (user_folder(environ) / FILE_NAME, SYSTEM_FILE):
        if os.path.lexists(path):
            return path
    return None


def find_store(
    store: str | None,
    environ: Mapping[str, str],
    cwd: Path,
    file: Path | None,
    written: Mapping[str, str],
) -> str:
    """Return the store's absolute path, or its URL.

    The first of `store` (the flag), JOBCTL_STORE, what is `written` in the table [store] of
    `file`, .jobctl beside the file, $XDG_DATA_HOME/jobctl. Raises ConfigError.
    """
    if store is not None:
        return _place("--store", store, cwd)
    if environ.get("JOBCTL_STORE"):
        return _place("JOBCTL_STORE", environ["JOBCTL_STORE"], cwd)
    if file is None:
        return str(_base(environ, "XDG_DATA_HOME", ".local/share") / "jobctl")
    if "url" in written:
        return written["url"]
    path = written.get("path", ".jobctl")
    if path.startswith("~/"):
        path = str(_home(environ) / path[2:])
    return str(absolute(path, file.parent))


def user_folder(environ: Mapping[str, str]) -> Path:
    """Return the user's own folder for configuration: $XDG_CONFIG_HOME/jobctl."""
    return _base(environ, "XDG_CONFIG_HOME", ".config") / "jobctl"


def absolute(path: str, folder: Path) -> Path:
    """Return `path`, which is relative to `folder`, as an absolute one without `..`."""
    return Path(os.path.normpath(folder / path))


def _place(said: str, store: str, cwd: Path) -> str:
    if store.startswith(URL):
        return store
    if "://" in store:  # the rest is not shown: it may hold a password
        scheme = store.partition("://")[0] + "://"
        hint = meant(scheme, [URL], f"use a directory, or {URL}...")
        raise ConfigError(f"{said}: {clean(scheme)} is no store that jobctl knows: {hint}")
    if not store.strip() or clean(store) != store:
        raise ConfigError(f"{said}: {clean(store)!r} is no path: name a directory, or {URL}...")
    return str(absolute(store, cwd))


def _base(environ: Mapping[str, str], name: str, default: str) -> Path:
    # The XDG specification has relative paths ignored.
    given = environ.get(name, "")
    return Path(given) if os.path.isabs(given) else _home(environ) / default


def _home(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("HOME") or os.path.expanduser("~"))
