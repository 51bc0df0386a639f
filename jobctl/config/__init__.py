"""jobs.toml -> a frozen Config; every fault at once, with its file, line and key.

What reads and checks a file is imported only if there is one: an `add` starts in
milliseconds.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobctl.config import find
from jobctl.config.model import RETENTION, Config, Fault, Run
from jobctl.config.shortfalls import shortfalls
from jobctl.errors import ConfigError

if TYPE_CHECKING:
    from jobctl.config.kinds import Kind
    from jobctl.config.source import Source

__all__ = ["RETENTION", "Config", "Fault", "Run", "check", "load", "shortfalls"]


def load(
    config: str | Path | None = None,
    store: str | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Config:
    """Find, read and check the configuration.

    `config` and `store` are what the flags of these names say. Raises ConfigError with
    every fault, one a line.
    """
    environ, cwd = _surroundings(environ, cwd)
    file = find.find_file(config, environ, cwd)
    drop_ins = _drop_ins(file, environ)
    tables, faults = _read(file, drop_ins)
    if faults:
        raise ConfigError("\n".join(map(str, faults)))
    return Config(
        file=file,
        folder=file.parent if file else cwd,
        store=find.find_store(store, environ, cwd, file, tables.get("store", {})),
        drop_ins=drop_ins,
        run=Run(**tables.get("run", {})),
        retention={**RETENTION, **tables.get("retention", {})},
        limits=tables.get("limits", {}),
        redact=tables.get("redact", {}).get("keys", ()),
        schedules=tables.get("schedules", {}),
        alerts=tables.get("alerts", {}),
        dashboard=tables.get("dashboard", {}),
    )


def check(
    config: str | Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> list[Fault]:
    """Return all that is wrong with the configuration that `load` would read."""
    environ, cwd = _surroundings(environ, cwd)
    file = find.find_file(config, environ, cwd)
    return _read(file, _drop_ins(file, environ))[1]


def _surroundings(
    environ: Mapping[str, str] | None, cwd: Path | None
) -> tuple[Mapping[str, str], Path]:
    try:
        return os.environ if environ is None else environ, cwd or Path.cwd()
    except OSError:
        raise ConfigError("the current folder is gone: change to another one") from None


def _drop_ins(file: Path | None, environ: Mapping[str, str]) -> Path:
    return (file.parent if file else find.user_folder(environ)) / find.DROP_INS


def _read(file: Path | None, drop_ins: Path) -> tuple[dict[str, Any], list[Fault]]:
    """Return the tables of all files together, and all faults."""
    try:
        more = sorted(p for p in drop_ins.iterdir() if _is_drop_in(p))
    except FileNotFoundError:
        more = []
    except OSError as err:
        if file is not None:
            return {}, [Fault(str(drop_ins), None, "", f"cannot be read: {err.strerror}")]
        more = []  # HOME is not this user's own, as under setpriv: nothing of his is there
    if file is None and not more:
        return {}, []

    from jobctl.config.schema import DROP_IN, FILE
    from jobctl.config.source import Source

    tables: dict[str, Any] = {}
    faults: list[Fault] = []
    if file is not None:
        main = Source(file)
        tables = _checked(main, FILE)
        faults += main.faults
    homes = dict.fromkeys(tables.get("schedules") or (), file)
    for source in map(Source, more):
        schedules = _checked(source, DROP_IN).get("schedules") or {}
        for name in schedules:
            if name in homes:
                source.fault(("schedules", name), f"stands in {homes[name]} too: rename one")
            homes[name] = source.path
        tables["schedules"] = {**(tables.get("schedules") or {}), **schedules}
        faults += source.faults
    return tables, faults


def _checked(source: Source, kind: Kind) -> dict[str, Any]:
    found: dict[str, Any] = kind(source.tables, (), source.fault)
    return found


def _is_drop_in(path: Path) -> bool:
    # Editors leave hidden files beside the one that they write.
    return path.suffix == ".toml" and not path.name.startswith(".")
