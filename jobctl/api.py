"""Queue, as a program opens it: the same configuration, store and daemon as the terminal's."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from jobctl.core.options import JobOptions

if TYPE_CHECKING:
    from typing import Unpack

    from jobctl.config import Config
    from jobctl.core.job import Job, Status
    from jobctl.core.store import Stats
    from jobctl.runtime.embedded import Embedded
    from jobctl.services.adding import Spec
    from jobctl.services.bulk import Done
    from jobctl.services.explaining.answer import Explanation
    from jobctl.services.queue import QueueService

# Inside the class, `list` is the method.
if TYPE_CHECKING:
    _Jobs = list[Job[Any]]
    _Ids = list[str]

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])


class Queue:
    """A queue of jobs. It is opened when it is first used, and may be shared by threads.

    `config` is the jobs.toml to use and `store` where the jobs are kept (a folder); without
    them they are found as the `jobctl` command finds them. `concurrency` is how many jobs
    run at once after `start()`.

    Every method may raise ConfigError or StoreError.
    """

    def __init__(
        self,
        config: str | None = None,
        store: str | None = None,
        concurrency: int | None = None,
    ) -> None:
        self._config_flag = None if config is None else str(config)
        self._store_flag = None if store is None else str(store)
        self._concurrency = concurrency
        self._config: Config | None = None
        self._service: QueueService | None = None
        self._daemon: Embedded | None = None
        self._processes: dict[str, str] = {}
        #: The same methods for asynchronous programs: `await queue.aio.add(...)`.
        self.aio = AsyncQueue(self)

    def add(self, name: str, data: Any = None, /, **options: Unpack[JobOptions]) -> str:
        """Add a job and return its id. It is durable when this returns.

        `options` are those of JobOptions: priority (higher runs first), max_retries (runs
        after the first), delay or scheduled_for, job_id (a second add with the same id adds
        nothing and returns that id), timeout, backoff, tags, concurrency_key, after (ids of
        jobs that must have completed before), if_exists.

        Raises InvalidJob, Duplicate, WrongStatus.
        """
        return self._opened.add(name, data, options).id

    def add_shell(
        self,
        argv: Sequence[str],
        /,
        *,
        name: str | None = None,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        **options: Unpack[JobOptions],
    ) -> str:
        """Add a job that runs a command, and return its id. No shell interprets it.

        It runs in `cwd`, by default the current folder, with PATH, HOME, LANG, LC_* and TZ
        as they are here, `env` on top, and nothing else of the environment. Its name is the
        command's unless one is given. An exit code other than 0 fails the attempt. Raises
        as `add` does.
        """
        import os

        from jobctl.core.shell import kept

        environment = {**kept(os.environ), **(env or {})}
        folder = os.path.abspath(cwd or ".")
        added = self._opened.add_shell(argv, options, name=name, cwd=folder, env=environment)
        return added.id

    def add_many(self, jobs: Iterable[Spec]) -> list[str]:
        """Add jobs with one durable commit, all or none, and return their ids in order.

        A job is a mapping with `name`, `data` and options under their names, or a tuple
        (name, data) or (name, data, options). Raises as `add` does.
        """
        return self._opened.add_many(jobs)

    def get(self, job_id: str) -> Job[Any] | None:
        """Return the job with this id, or None."""
        return self._opened.get(job_id)

    def list(
        self,
        status: Status | str | None = None,
        name: str | None = None,
        limit: int = 50,
        offset: int = 0,
        filter: str | None = None,
    ) -> _Jobs:
        """Return jobs, the newest first. Raises InvalidJob for a value that cannot be.

        `filter` is text such as `status:failed age>2h data.user.id:42`, as docs/filters.md
        has it; times in it need a zone. InvalidFilter points at what cannot be read.
        """
        return self._opened.list(
            status=status, name=name, filter=filter, limit=limit, offset=offset
        )

    def stats(self, filter: str | None = None) -> Stats:
        """Return how many jobs have each status, and the total: all, or those of a filter."""
        return self._opened.stats(filter)

    def explain(self, job_id: str) -> Explanation:
        """Return why a job does not run, what it is at, or how it ended: `reasons`, each with
        a `code` and a `message`, and `next`, what can be done. Raises NotFound.
        """
        return self._opened.explain(job_id)

    def retry(self, job_id: str) -> Job[Any]:
        """Make a failed or cancelled job pending again. Raises NotFound, WrongStatus."""
        return self._opened.retry(job_id)

    def cancel(self, job_id: str) -> Job[Any]:
        """Cancel a pending job, or ask a running one to end. Raises NotFound, WrongStatus."""
        return self._opened.cancel(job_id)

    def chain(self, jobs: Iterable[Spec | str]) -> _Ids:
        """Add jobs that run one after the other, and return their ids in order.

        A job is one as add_many takes it, or a name alone. Each runs when the one before it
        has completed; if that cannot be any more, the rest is cancelled. Raises as `add`.
        """
        return self._opened.chain(jobs)

    def pause(self, name: str | None = None) -> None:
        """Start no more jobs of a name (None: none at all) until `resume`. What runs goes on.

        It is kept in the store. Raises InvalidJob for what cannot be a name.
        """
        self._opened.pause(name)

    def resume(self, name: str | None = None) -> None:
        """End the pause of a name, or without a name every pause."""
        self._opened.resume(name)

    def paused(self) -> dict[str | None, datetime]:
        """Return since when what rests: by name, None for all jobs."""
        return {pause.name: pause.since for pause in self._opened.paused()}

    def delete(self, job_id: str) -> None:
        """Remove a job that is not running. Raises NotFound, WrongStatus."""
        self._opened.delete(job_id)

    def bulk(self, verb: str, filter: str, *, dry_run: bool = False) -> Done:
        """Retry, cancel, delete or cleanup all jobs that pass a filter; return what was done.

        Those whose status the verb does not fit are left alone; cleanup deletes finished
        jobs. It goes in steps, each a transaction; with `dry_run` nothing is changed. The
        result has matched, changed, skipped (changed by others meanwhile) and jobs, the
        first ten. Raises InvalidFilter, InvalidJob.
        """
        return self._opened.bulk(verb, filter).run(dry_run=dry_run)

    def cleanup(
        self, older_than: datetime | timedelta | None = None, filter: str | None = None
    ) -> int:
        """Delete finished jobs that ended before a time, or longer ago than a duration.

        With a filter those of them that pass. Without either the configured retention
        decides. Returns how many went.
        """
        return self._opened.cleanup_older(older_than, filter)

    def wait(self, job_ids: str | Sequence[str], timeout: float | None = None) -> _Jobs:
        """Block until jobs have ended, at most `timeout` seconds, and return them.

        Raises TimeoutError if some have not ended by then, NotFound for an unknown one.
        """
        ids = [job_ids] if isinstance(job_ids, str) else job_ids
        waited = self._opened.wait(ids, timeout)
        if waited.left:
            raise TimeoutError(f"not ended after {timeout:g} s: {', '.join(waited.left)}")
        return waited.jobs

    def process(self, name: str, function: F) -> F:
        """Register a function as the handler of the jobs called `name`.

        Workers import it afresh, so it stands at the top level of a module or of the
        program: a closure, a lambda or a method raises HandlerError.
        """
        from jobctl.runtime import handlers

        self._processes[name] = handlers.process(name, function)
        return function

    def start(self, timeout: float = 60.0) -> None:
        """Start the daemon of this queue, and wait until it is ready.

        It is `jobctl run` in a process of its own, which ends with this one; if that runs
        already nothing happens. Raises StoreError if the store cannot be used or has another
        daemon (standard error has its message), HandlerError if the handlers do not import,
        TimeoutError if it is not ready after `timeout` seconds.
        """
        from jobctl.runtime.embedded import Embedded

        if self._daemon is not None and self._daemon.running:
            return
        self.stop()  # what is left of one that died
        daemon = Embedded(self._run_arguments())
        daemon.wait_ready(timeout)
        self._daemon = daemon

    def stop(self) -> None:
        """Stop the daemon: running jobs have shutdown_timeout to end."""
        if self._daemon is not None:
            self._daemon.stop()
            self._daemon = None

    def close(self) -> None:
        """Stop the daemon if it was started, and let go of the store."""
        self.stop()
        if self._service is not None:
            self._service.close()
            self._service = None

    def __enter__(self) -> Queue:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def _opened(self) -> QueueService:
        if self._service is None:
            from jobctl import bootstrap

            self._service = bootstrap.open_queue(self._configuration)
        return self._service

    @property
    def _configuration(self) -> Config:
        if self._config is None:
            from jobctl import bootstrap

            self._config = bootstrap.open_config(self._config_flag, self._store_flag)
        return self._config

    def _run_arguments(self) -> Sequence[str]:
        from jobctl import bootstrap
        from jobctl.runtime import handlers

        arguments = bootstrap.flags_of(self._configuration)
        if self._concurrency is not None:
            arguments += ["--concurrency", str(self._concurrency)]
        # Those that Scheduler.schedule was given are run by this program's daemon too.
        for name, place in {**handlers.places, **self._processes}.items():
            arguments += ["--process", f"{name}={place}"]
        return arguments


def _mirror(
    method: Callable[Concatenate[Queue, P], R],
) -> Callable[Concatenate[AsyncQueue, P], Coroutine[Any, Any, R]]:
    """Return `method` for asynchronous callers: it runs in a thread."""

    async def call(self: AsyncQueue, /, *args: P.args, **kwargs: P.kwargs) -> R:
        import asyncio

        return await asyncio.to_thread(method, self.queue, *args, **kwargs)

    call.__name__, call.__doc__ = method.__name__, method.__doc__
    return call


class AsyncQueue:
    """The methods of a Queue for asynchronous programs."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue

    add = _mirror(Queue.add)
    add_shell = _mirror(Queue.add_shell)
    add_many = _mirror(Queue.add_many)
    get = _mirror(Queue.get)
    list = _mirror(Queue.list)
    stats = _mirror(Queue.stats)
    explain = _mirror(Queue.explain)
    retry = _mirror(Queue.retry)
    cancel = _mirror(Queue.cancel)
    chain = _mirror(Queue.chain)
    pause = _mirror(Queue.pause)
    resume = _mirror(Queue.resume)
    paused = _mirror(Queue.paused)
    delete = _mirror(Queue.delete)
    bulk = _mirror(Queue.bulk)
    cleanup = _mirror(Queue.cleanup)
    wait = _mirror(Queue.wait)
    start = _mirror(Queue.start)
    stop = _mirror(Queue.stop)
    close = _mirror(Queue.close)
