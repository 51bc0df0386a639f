"""Where a function stands, so that another process can import it: `module:qualname`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from jobctl.errors import HandlerError
from jobctl.runtime.loading import import_entry
from jobctl.runtime.parameters import Function, title


def find_place(place: str, folder: Path) -> Any:
    """Return the object at `module_or_path.py:qualname`. Raises HandlerError."""
    entry, colon, qualname = place.rpartition(":")
    if not (colon and entry and qualname):
        raise HandlerError(f"{place!r} is no place of a function: write module:function")
    found: Any = import_entry(entry, folder)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    if found is None:
        raise HandlerError(f"there is no {qualname} in {entry}")
    return found


def place_of(function: Function) -> str:
    """Return where a worker can import `function` from.

    `module:qualname`, or `/path/file.py:qualname` if the program itself defines it. Raises
    HandlerError if it cannot be imported.
    """
    qualname: str = getattr(function, "__qualname__", "")
    why = _why_not(function, qualname)
    if why:
        raise HandlerError(
            f"{title(function)} cannot be a handler: {why}, and the worker processes must be "
            "able to import it. Define a function at the top level of a module"
        )
    module, file = _home(function)
    found: Any = module
    for part in qualname.split("."):
        found = getattr(found, part, None)
    if found is not function:
        raise HandlerError(
            f"{title(function)} cannot be a handler: {module.__name__}.{qualname} is something "
            "else, so the worker processes would import the wrong thing"
        )
    return f"{file}:{qualname}"


def _why_not(function: Function, qualname: str) -> str | None:
    if qualname.endswith("<lambda>"):
        return "it is a lambda"
    if "<locals>" in qualname:
        return "it is defined inside a function"
    bound = getattr(function, "__self__", None)
    if bound is not None and not isinstance(bound, type(sys)):
        return "it is a method of an object"
    return None if qualname else "it has no name"


def _home(function: Function) -> tuple[Any, str]:
    """Return a function's module, and the name or path that a worker imports it by."""
    name = getattr(function, "__module__", None) or ""
    module = sys.modules.get(name)
    if module is None:
        raise HandlerError(f"{title(function)} cannot be a handler: its module is unknown")
    if name != "__main__":
        return module, name
    spec = getattr(module, "__spec__", None)
    if spec is not None:  # python -m package.module
        return module, spec.name
    file = getattr(module, "__file__", None)
    if file is None:
        raise HandlerError(
            f"{title(function)} cannot be a handler: it was typed at a prompt, and the worker "
            "processes must be able to import it. Write it into a file"
        )
    return module, str(Path(file).resolve())
