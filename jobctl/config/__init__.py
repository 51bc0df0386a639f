"""jobs.toml -> a frozen Config; every fault at once, with its file, line and key.

What reads and checks a file is imported only if there is one: an `add` starts in
milliseconds.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from jobctl.clock import local_zone
from jobctl.config import find
from jobctl.config.model import RETENTION, Config, Fault, Run
from jobctl.errors import ConfigError

if TYPE_CHECKING:
    from jobctl.config.kinds import Kind
    from jobctl.config.source import Source
    from jobctl.core.schedule import Schedule

__all__ = [
    "RETENTION",
    "Config",
    "Fault",
    "Run",
    "check",
    "drop_in_files",
    "load",
    "place",
    "places",
    "watched",
]


class Found(msgspec.Struct):
    """What the files say, and all that is wrong with them."""

    tables: dict[str, Any] = {}
    faults: list[Fault] = []
    homes: dict[str, Path] = {}
    declared: dict[str, Schedule] = {}


def load(
    config: str | Path | None = None,
    store: str | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    deep: bool = False,
) -> Config:
    """Find, read and check the configuration.

    `config` and `store` are what the flags of these names say. With `deep` the schedules
    are read to the end: whether each expression can match, for one. Raises ConfigError with
    every fault, one a line.
    """
    environ, cwd = _surroundings(environ, cwd)
    file = find.find_file(config, environ, cwd)
    drop_ins = _drop_ins(file, environ)
    found = _read(file, drop_ins, environ if deep else None)
    if found.faults:
        raise ConfigError("\n".join(map(str, found.faults)))
    tables = found.tables
    return Config(
        file=file,
        folder=file.parent if file else cwd,
        store=find.find_store(store, environ, cwd, file, tables.get("store", {})),
        drop_ins=drop_ins,
        run=Run(**tables.get("run", {})),
        retention={**RETENTION, **_ages(tables.get("retention", {}))},
        keep_newest=_counts(tables.get("retention", {})),
        limits=tables.get("limits", {}),
        redact=tables.get("redact", {}).get("keys", ()),
        schedules=tables.get("schedules", {}),
        homes=found.homes,
        declared=found.declared,
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
    return _read(file, _drop_ins(file, environ), environ).faults


def place(config: Config, *key: str) -> tuple[str, int | None]:
    """Return the file and the line of a key: of a schedule in whichever file it stands."""
    from jobctl.config.source import Source

    path = config.homes.get(key[1], config.file) if key[0] == "schedules" else config.file
    return ("", None) if path is None else (str(path), Source(path).line(key))


def places(config: Config) -> dict[str, str]:
    """Return where each schedule is written: its file and line, by name."""
    if not config.homes:
        return {}
    from jobctl.config.source import Source

    sources = {path: Source(path) for path in set(config.homes.values())}
    return {
        name: f"{path}:{sources[path].line(('schedules', name))}"
        for name, path in config.homes.items()
    }


def watched(config: Config) -> list[Path]:
    """Return the files and the folder whose change may change the schedules."""
    files = [] if config.file is None else [config.file]
    return [*files, config.drop_ins, *drop_in_files(config.drop_ins)]


def drop_in_files(folder: Path) -> list[Path]:
    """Return the drop-ins of a folder, in their order; it need not exist. Raises OSError."""
    try:
        return sorted(path for path in folder.iterdir() if _is_drop_in(path))
    except FileNotFoundError:
        return []


def _ages(retention: Mapping[str, Any]) -> dict[str, float | None]:
    """Return the ages that a table says; one with a count alone lets that decide."""
    return {
        key: item.get("age") if isinstance(item, dict) else item
        for key, item in retention.items()
    }


def _counts(retention: Mapping[str, Any]) -> dict[str, int]:
    tables = {key: item for key, item in retention.items() if isinstance(item, dict)}
    return {key: item["count"] for key, item in tables.items() if "count" in item}


def _surroundings(
    environ: Mapping[str, str] | None, cwd: Path | None
) -> tuple[Mapping[str, str], Path]:
    try:
        return os.environ if environ is None else environ, cwd or Path.cwd()
    except OSError:
        raise ConfigError("the current folder is gone: change to another one") from None


def _drop_ins(file: Path | None, environ: Mapping[str, str]) -> Path:
    return (file.parent if file else find.user_folder(environ)) / find.DROP_INS


def _read(file: Path | None, drop_ins: Path, deep: Mapping[str, str] | None) -> Found:
    """Return what all files say together; `deep` is the environment for schedules."""
    try:
        more = drop_in_files(drop_ins)
    except OSError as err:
        if file is not None:
            fault = Fault(str(drop_ins), None, "", f"cannot be read: {err.strerror}")
            return Found(faults=[fault])
        more = []  # HOME is not this user's own, as under setpriv: nothing of his is there
    if file is None and not more:
        return Found()

    from jobctl.config.schema import DROP_IN, FILE
    from jobctl.config.source import Source

    found = Found()
    sources = [(Source(path), DROP_IN) for path in more]
    if file is not None:
        sources.insert(0, (Source(file), FILE))
    for source, kind in sources:
        tables = _checked(source, kind)
        schedules = tables.pop("schedules", None) or {}
        for name in schedules:
            if name in found.homes:
                other = found.homes[name]
                source.fault(("schedules", name), f"stands in {other} too: rename one")
            found.homes[name] = source.path
        found.tables.update(tables)
        found.tables.setdefault("schedules", {}).update(schedules)
        if deep is not None and schedules:
            from jobctl.config.schedules import declared

            zone = local_zone(deep)
            found.declared.update((one.name, one) for one in declared(source, schedules, zone))
        found.faults += source.faults
    return found


def _checked(source: Source, kind: Kind) -> dict[str, Any]:
    found: dict[str, Any] = kind(source.tables, (), source.fault)
    return found


def _is_drop_in(path: Path) -> bool:
    # Editors leave hidden files beside the one that they write.
    return path.suffix == ".toml" and not path.name.startswith(".")
