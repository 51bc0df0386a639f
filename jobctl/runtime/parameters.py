"""What a handler wants to be called with, read from its signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from enum import Enum
from types import SimpleNamespace
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from jobctl.core.job import Job
from jobctl.errors import HandlerError
from jobctl.runtime.validation import SUPPORTED, Validator

Function = Callable[..., Any]


class Mode(Enum):
    """What a handler's parameter gets."""

    NOTHING = "nothing"  # there is no parameter
    JOB = "job"  # bare, or annotated Job or Job[T]
    DATA = "data"  # any other annotation


_NOTHING, _JOB = Mode.NOTHING, Mode.JOB  # the enum takes longer (see core/job.py)


class Parameter(msgspec.Struct, frozen=True):
    """How to prepare a handler's argument; without a validator data stays as it is."""

    mode: Mode
    validator: Validator | None = None

    def arguments(self, job: Job[Any]) -> tuple[Any, ...]:
        """Return what to call the handler with. Raises InvalidData."""
        mode = self.mode
        if mode is _NOTHING:
            return ()
        if self.validator is None:
            return (job if mode is _JOB else job.data,)
        data = self.validator(job.data)
        if self.mode is Mode.DATA:
            return (data,)
        return (msgspec.structs.replace(job, data=data),)


def location(function: Function) -> str:
    """Return where a function is written, as `file:line`."""
    file, line = origin(function)
    return f"{file}:{line}"


def origin(function: Function) -> tuple[str, int]:
    """Return the file and the line of a function's definition, decorators included."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return f"<{getattr(function, '__module__', '?')}>", 0
    return code.co_filename, code.co_firstlineno


def title(function: Function) -> str:
    """Return a function's name and place, for messages."""
    return f"{getattr(function, '__qualname__', function)} ({location(function)})"


def check_callable(function: Any) -> None:
    """Raise HandlerError unless `function` can be a handler: a function that returns."""
    if inspect.isclass(function) or not callable(function):
        what = "a class" if inspect.isclass(function) else f"a {type(function).__name__}"
        raise HandlerError(f"@handler belongs on a function, and {function!r} is {what}")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise HandlerError(
            f"{title(function)} has a yield in it, so calling it runs nothing: a handler is a "
            "function that returns"
        )


def parameter_of(function: Function) -> Parameter:
    """Return what `function` wants. Raises HandlerError if that cannot be given."""
    try:
        found = list(inspect.signature(function).parameters.values())
    except (ValueError, TypeError, NameError) as error:
        raise HandlerError(f"{title(function)}: its parameters are unknown: {error}") from error
    collects = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [p for p in found if p.default is p.empty and p.kind not in collects]
    if len(needed) > 1:
        names = ", ".join(p.name for p in needed)
        raise HandlerError(
            f"{title(function)} needs {len(needed)} arguments ({names}): a handler gets one, "
            "the job or its data. Write one parameter, or give the others a default"
        )
    named = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD)
    places = [p for p in found if p.kind not in named]
    if needed and needed[0].kind is inspect.Parameter.KEYWORD_ONLY:
        raise HandlerError(
            f"{title(function)}: the parameter {needed[0].name} can only be given by name: "
            "take the * before it away"
        )
    if not places:
        return Parameter(Mode.NOTHING)
    first = places[0]
    if first.annotation is first.empty:
        return Parameter(Mode.JOB)
    return _annotated(function, first.name, _resolve(function, first.name, first.annotation))


def _resolve(function: Function, name: str, annotation: Any) -> Any:
    """Return one annotation as a type. The others do not matter and may not resolve."""
    holder: Any = SimpleNamespace(__annotations__={name: annotation})
    names = getattr(inspect.unwrap(function), "__globals__", {})
    try:
        return get_type_hints(holder, globalns=names, include_extras=True)[name]
    except Exception as error:
        raise HandlerError(
            f"{title(function)}: the annotation {name}: {annotation} means nothing here "
            f"({error}). Define or import the type at the top of the module, and not inside "
            "a function or `if TYPE_CHECKING:`"
        ) from error


def _annotated(function: Function, name: str, hint: Any) -> Parameter:
    bare = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    if bare is Job:
        return Parameter(Mode.JOB)
    if get_origin(bare) is Job:
        return Parameter(Mode.JOB, _validator(function, name, get_args(bare)[0]))
    if any(part is Job or get_origin(part) is Job for part in get_args(bare)):
        raise HandlerError(f"{title(function)}: write {name}: Job, a handler always gets one")
    return Parameter(Mode.DATA, _validator(function, name, hint))


def _validator(function: Function, name: str, kind: Any) -> Validator | None:
    if kind is Any or kind is object or isinstance(kind, TypeVar):
        return None
    try:
        return Validator(kind)
    except Exception as error:
        raise HandlerError(
            f"{title(function)}: job data cannot be validated as the type of {name}: {error}. "
            f"Use {SUPPORTED}; or take a Job, whose data stays as it is"
        ) from error
