"""The handlers of a process: which function runs the jobs of a name.

    @handler("send-email", max_retries=5, timeout="30s")
    def send_email(data: EmailData) -> None: ...

A parameter that is bare or annotated `Job` gets the job; `Job[T]` the job with its data
validated as T; any other annotation gets the validated data alone.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar, overload

import msgspec

from jobctl.core import options as opts
from jobctl.core.intake import check_name
from jobctl.core.job import Job
from jobctl.core.retry import RetryPolicy
from jobctl.errors import HandlerError, InvalidJob
from jobctl.runtime.parameters import (
    Function,
    Parameter,
    check_callable,
    location,
    origin,
    parameter_of,
    title,
)
from jobctl.runtime.places import find_place, place_of

F = TypeVar("F", bound=Function)
Duration = float | str | timedelta
Backoff = RetryPolicy | Mapping[str, Any] | Sequence[Duration]


class Handler(msgspec.Struct, frozen=True):
    """A function and the name of the jobs that it runs.

    `options` holds those of timeout (seconds), max_retries and backoff (a RetryPolicy)
    that the handler says something about. `location` is `file:line`.
    """

    name: str
    function: Function
    is_async: bool
    options: dict[str, Any]
    parameter: Parameter
    location: str

    def bind(self, job: Job[Any]) -> tuple[Any, ...]:
        """Return the arguments to call the function with.

        Raises InvalidData if the job's data does not fit.
        """
        return self.parameter.arguments(job)

    def call(self, job: Job[Any]) -> Any:
        """Call the function; of an async one the result is still to be awaited.

        Raises InvalidData if the job's data does not fit, and what the function raises.
        """
        return self.function(*self.bind(job))


_handlers: dict[str, Handler] = {}
#: Where workers find the functions that `process` registered, by the name of the job.
places: dict[str, str] = {}


@overload
def handler(name: F, /) -> F: ...


@overload
def handler(
    name: str | None = None,
    /,
    *,
    timeout: Duration | None = None,
    max_retries: int | None = None,
    backoff: Backoff | None = None,
) -> Callable[[F], F]: ...


def handler(
    name: F | str | None = None,
    /,
    *,
    timeout: Duration | None = None,
    max_retries: int | None = None,
    backoff: Backoff | None = None,
) -> F | Callable[[F], F]:
    """Register the decorated function, unchanged, as the handler of jobs called `name`.

    Without a name it is the function's, with `-` for `_`. `timeout` is a duration,
    `max_retries` counts the runs after the first, `backoff` is a RetryPolicy, a mapping
    with base, cap and jitter, or a list of delays. What is left out is decided by
    jobs.toml. Raises HandlerError if the function, the name or an option cannot be used.
    """
    said = {"timeout": timeout, "max_retries": max_retries, "backoff": backoff}

    def register(function: F) -> F:
        check_callable(function)
        own = name if isinstance(name, str) else function.__name__.replace("_", "-")
        _register(own, function, said)
        return function

    return register if name is None or isinstance(name, str) else register(name)


def handler_of(name: str) -> Handler:
    """Return the handler of a job name that has one. Raises LookupError."""
    return _handlers[name]  # KeyError is a LookupError


def names() -> list[str]:
    """Return the names that have a handler, in alphabetical order."""
    return sorted(_handlers)


def name_of(function: Function) -> str | None:
    """Return the name that a function is registered for, None if it is no handler."""
    found = (name for name, known in _handlers.items() if _same(known.function, function))
    return next(found, None)


def process(name: str, function: Function) -> str:
    """Register `function` for the jobs called `name`, here and in workers.

    Returns where workers find it: `module:qualname`, or `/path/file.py:qualname` for a
    function of the program itself. Raises HandlerError for a function that a worker
    cannot import: a lambda, a closure, a method of an object.
    """
    check_callable(function)
    place = place_of(function)
    _register(name, function, {})
    places[name] = place
    return place


def register_process(name: str, place: str, folder: Path) -> None:
    """Register the function at `place`, as `process` returned it, for `name`.

    A path is relative to `folder`. Raises HandlerError.
    """
    function = find_place(place, folder)
    check_callable(function)
    _register(name, function, {})


def describe() -> dict[str, dict[str, Any]]:
    """Return what is known of each handler, ready to be written as JSON."""
    return {name: _describe(_handlers[name]) for name in names()}


def _describe(known: Handler) -> dict[str, Any]:
    validator = known.parameter.validator
    return {
        "options": msgspec.to_builtins(known.options),
        "schema": None if validator is None else validator.schema,
        "async": known.is_async,
        "location": known.location,
    }


def _register(name: str, function: Function, said: Mapping[str, Any]) -> None:
    before = _handlers.get(name)
    options = _options(name, function, said)
    if before is not None and not _same(before.function, function):
        raise HandlerError(
            f"two handlers are called {name!r}: {title(before.function)} and "
            f"{title(function)}. Rename one of them"
        )
    if before is not None and not options:
        # Queue.process of a decorated function: what its decorator said still holds.
        options = before.options
    _handlers[name] = Handler(
        name=name,
        function=function,
        is_async=inspect.iscoroutinefunction(function),
        options=options,
        parameter=parameter_of(function),
        location=location(function),
    )


def _same(one: Function, other: Function) -> bool:
    """Whether two functions are one, or come from the same lines imported twice."""
    if one is other:
        return True
    file, line = origin(one)
    if (file, line) == origin(other) and line:
        return True
    # At a prompt, defining a function anew is how one corrects it.
    return file.startswith("<") and line > 0 and file == origin(other)[0]


def _options(name: str, function: Function, said: Mapping[str, Any]) -> dict[str, Any]:
    try:
        check_name(name)
        chosen = {
            "timeout": opts.timeout(said.get("timeout")),
            "max_retries": opts.max_retries(said.get("max_retries")),
            "backoff": opts.backoff(said.get("backoff")),
        }
    except InvalidJob as error:
        raise HandlerError(f"{title(function)}: {error}") from None
    return {key: value for key, value in chosen.items() if value is not None}
