"""The composition root: from the configuration to a store, the services and the daemon."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from jobctl import config as configuration
from jobctl.clock import SystemClock
from jobctl.config import Config, Fault
from jobctl.core.job import FINISHED, Options, Status
from jobctl.errors import ConfigError, HandlerError
from jobctl.services.cleaning import Keep
from jobctl.services.queue import QueueService

if TYPE_CHECKING:
    from jobctl.core.store import Store
    from jobctl.runtime.settings import Alerting, Settings
    from jobctl.services.telling import Rules

#: Seconds that a stop may take after the last worker was killed: results are written.
_LAST_WORDS = 10.0


def open_config(config: str | None, store: str | None, *, deep: bool = False) -> Config:
    """Find and read the configuration; the arguments are what --config and --store say.

    With `deep` the schedules are read too. Raises ConfigError with every fault.
    """
    return configuration.load(config, store, deep=deep)


def with_flags(
    config: Config,
    *,
    concurrency: int | None = None,
    handlers: Sequence[str] | None = None,
) -> Config:
    """Return the configuration with the flags of `run` applied.

    Handlers that a flag names are found from the current folder, not from that of jobs.toml.
    """
    run = config.run
    if concurrency is not None:
        run = msgspec.structs.replace(run, concurrency=concurrency)
    if handlers:
        run = msgspec.structs.replace(run, handlers=tuple(handlers))
        config = msgspec.structs.replace(config, folder=Path.cwd())
    return msgspec.structs.replace(config, run=run)


def store_folder(config: Config) -> Path:
    """Return the folder of the store, whether it is there or not; as root, become its owner.

    Raises StoreError, ConfigError.
    """
    if config.store.startswith("postgresql:"):
        raise ConfigError(
            "a postgresql:// store is not supported by this version: "
            "name a folder with --store or [store] path"
        )
    from jobctl.stores.directory.layout import act_as_owner

    root = Path(config.store)
    act_as_owner(root)
    return root


def open_store(config: Config) -> Store:
    """Open the store, and create it if it is not there. Raises StoreError, ConfigError."""
    root = store_folder(config)
    from jobctl.stores.directory.store import DirectoryStore

    return DirectoryStore(root)


def existing_store(config: Config, patience: float) -> Store | None:
    """Open the store if it is there, and wait for its writers `patience` seconds at most.

    Raises StoreError, ConfigError.
    """
    if not (Path(config.store) / "store.json").exists():
        return None
    root = store_folder(config)
    from jobctl.stores.directory.store import DirectoryStore

    return DirectoryStore(root, patience=patience)


def open_queue(config: Config) -> QueueService:
    """Return the services of the queue, on its store."""
    return queue_on(open_store(config), config)


def queue_on(store: Store, config: Config) -> QueueService:
    """Return the services of the queue, on a store that is open."""
    kept = {status: config.retention.get(status.value) for status in FINISHED}
    return QueueService(
        store,
        SystemClock(),
        max_data=config.run.max_data,
        keep=Keep(
            ages={status: age for status, age in kept.items() if age is not None},
            newest={Status(name): count for name, count in config.keep_newest.items()},
            names=lambda: _names(config),
            ticks=config.retention.get("ticks"),
        ),
        rules=lambda: _rules(config),
    )


def _rules(config: Config) -> Rules:
    """Return what would hold for jobs in a daemon of this configuration."""
    from jobctl.services.telling import Rules

    run = config.run
    return Rules(
        concurrency=run.concurrency,
        options=_options(config),
        limits=config.limits,
        kill_after=run.kill_after,
        shutdown_timeout=run.shutdown_timeout,
    )


def _options(config: Config) -> Options:
    run = config.run
    return Options(
        timeout=run.timeout,
        max_retries=run.max_retries,
        backoff=run.backoff,
        max_crashes=run.max_crashes,
    )


def _names(config: Config) -> set[str]:
    """Return the names of jobs that are known: of handlers, limits and schedules."""
    scheduled = {table["job"] for table in config.schedules.values()}
    return {*(known_handlers(config) or ()), *config.limits, *scheduled}


def _cleaner(store: Store, config: Config) -> Callable[[int], int]:
    """Return what removes at most so many things that [retention] does not keep."""
    from jobctl.services.oldlogs import OldLogs

    queue = queue_on(store, config)
    logs = OldLogs(store, SystemClock(), config.retention.get("logs"))
    return lambda limit: queue.retain(limit) or logs.step(limit)


def run_daemon(
    config: Config,
    *,
    reread: Callable[[], Config],
    burst: bool,
    standby: bool,
    processes: Sequence[str],
    stop_on_eof: bool,
    dashboard: bool,
) -> int:
    """Be the daemon of the configured store until it is stopped; return the exit code.

    `processes` are NAME=MODULE:FUNCTION, `stop_on_eof` makes the end of standard input a
    signal to stop, `reread` reads the configuration anew for a reload. With
    `dashboard` there is one beside it. Raises HandlerError, StoreError or ConfigError if it
    cannot start.
    """
    from jobctl.runtime.daemon import Daemon
    from jobctl.runtime.log import Log
    from jobctl.runtime.signals import prepare_for_signals

    prepare_for_signals(os.environ)
    clock = SystemClock()
    log = Log(clock, colour=not os.environ.get("NO_COLOR"))
    store = open_store(config)
    try:

        def settings(now: Config) -> Settings:
            made = _settings(now, processes, files=str(store.files), stop_on_eof=stop_on_eof)
            cleaner = _cleaner(store, now)
            chores = msgspec.structs.replace(made.chores, cleaner=cleaner)
            return msgspec.structs.replace(made, chores=chores)

        companion = None
        if dashboard:
            from jobctl.runtime.companion import Companion

            companion = Companion(flags_of(config), clock, log)
        daemon = Daemon(
            store, settings(config), clock, log, lambda: settings(reread()), companion
        )
        daemon.run(burst=burst, standby=standby)
    except KeyboardInterrupt:
        log.info("stopped before it was ready")
    finally:
        store.close()
    return 0


def flags_of(config: Config) -> list[str]:
    """Return the flags by which another command finds the same configuration and store."""
    file = ["--config", str(config.file)] if config.file else []
    return ["--store", config.store, *file]


def _settings(
    config: Config, processes: Sequence[str], *, files: str = "", stop_on_eof: bool = False
) -> Settings:
    from jobctl.runtime.settings import Chores, Settings, Terms

    run = config.run
    return Settings(
        entries=list(run.handlers),
        folder=str(config.folder),
        path=[str(config.folder)],
        processes=list(processes),
        concurrency=run.concurrency,
        options=_options(config),
        limits=config.limits,
        shutdown_timeout=run.shutdown_timeout,
        terms=Terms(
            kill_after=run.kill_after,
            max_jobs=run.max_jobs_per_worker,
            max_rss=run.max_worker_rss,
            share=run.async_concurrency,
        ),
        max_result=run.max_result,
        max_log=run.max_log,
        files=files,
        stop_on_eof=stop_on_eof,
        chores=Chores(
            schedules=config.declared,
            place=lambda *key: _said_at(config, *key),
            watched=lambda: configuration.watched(config),
            alerting=_alerting(config),
        ),
    )


def _alerting(config: Config) -> Alerting:
    from jobctl.runtime.settings import Action, Alerting

    said = dict(config.alerts)
    kinds = {key.removeprefix("on_"): said.pop(key) for key in list(said) if key[:3] == "on_"}
    return Alerting(actions={kind: Action(**one) for kind, one in kinds.items()}, **said)


def _said_at(config: Config, *key: str) -> str:
    return str(_fault(config, key, ""))


def _fault(config: Config, key: tuple[str, ...], message: str) -> Fault:
    file, line = configuration.place(config, *key)
    return Fault(file, line, ".".join(key), message)


def check_config(config: str | None, store: str | None) -> list[Fault]:
    """Return all that is wrong with the configuration, handlers that do not import included."""
    faults = configuration.check(config)
    if faults:
        return faults
    found = open_config(config, store, deep=True)
    try:
        known = import_handlers(found) if found.run.handlers else {}
    except HandlerError as err:
        return [Fault(str(found.file or ""), None, "run.handlers", str(err))]
    from jobctl.runtime.start import unknown_jobs

    chores = _settings(found, ()).chores
    return [_fault(found, key, message) for key, message in unknown_jobs(chores, known)]


def import_handlers(config: Config) -> dict[str, Any]:
    """Import the handlers in a process of their own, and return them by name.

    Raises HandlerError.
    """
    from jobctl.runtime.check import import_all

    return import_all(_settings(config, ()).setup, os.environ).handlers


def known_handlers(config: Config) -> dict[str, Any] | None:
    """Return the handlers that the last daemon of the store had, by name; None if unknown."""
    from jobctl.services.known import read_handlers

    return read_handlers(Path(config.store))


def systemd_unit(
    config: Config,
    *,
    store_flag: str | None,
    user: bool,
    name: str,
    write_paths: Sequence[str],
    run_as: str | None,
) -> str:
    """Return the text of a unit for the daemon of this configuration.

    `store_flag` is what --store says, `write_paths` are the folders that handlers write to,
    `user` makes it one of a user's own systemd, `run_as` names whose the daemon is. Raises
    ConfigError.
    """
    import sys

    from jobctl.runtime import install
    from jobctl.runtime.unit import Plan, render

    store = None if config.store.startswith("postgresql:") else Path(config.store)
    arguments = ["--config", str(config.file)] if config.file else []
    # What jobs.toml says of the store is left to it: it may come to say something else.
    if store_flag is not None or os.environ.get("JOBCTL_STORE") or not config.file:
        arguments += ["--store", config.store]
    places = [config.folder] if store is None else [store, config.folder]
    plan = Plan(
        name=name,
        python=sys.executable,
        code=install.code_folders(),
        arguments=arguments,
        folder=config.folder,
        store=store,
        stop=config.run.shutdown_timeout + config.run.kill_after + _LAST_WORDS,
        write_paths=[Path(os.path.abspath(path)) for path in write_paths],
        owner=None if user else install.owner(run_as, *places),
        user=user,
        version=install.systemd_version(),
    )
    return render(plan)


def install_unit(text: str, *, name: str, user: bool, force: bool) -> Path:
    """Put a unit where systemd looks for it, and return its path.

    Raises Conflict if a unit is there that is not as we wrote it, unless `force`.
    """
    from jobctl.runtime import install

    path = install.unit_path(name, user=user, environ=os.environ)
    install.write(path, text, force=force)
    return path
