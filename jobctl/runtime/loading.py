"""The import of handler modules, by dotted name or by path.

Only processes that run handlers import them. What goes wrong is told with the traceback
of the user's own code, without the frames of jobctl and of the import system.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from traceback import StackSummary, TracebackException
from types import ModuleType

from jobctl.core.text import nearest
from jobctl.errors import HandlerError

_OWN = str(Path(__file__).resolve().parent.parent) + "/"
_IMPORTLIB = str(Path(os.__file__).parent / "importlib") + "/"
_HIDDEN = ("<frozen importlib", "<frozen runpy", _IMPORTLIB, _OWN)


def load(entries: Sequence[str], folder: Path) -> None:
    """Import handler modules, so that their handlers are registered.

    An entry is a dotted module name, or the path of a .py file relative to `folder`,
    which goes first on sys.path. Raises HandlerError at the first that does not import.
    """
    place = str(folder.resolve())
    if sys.path[:1] != [place]:
        sys.path.insert(0, place)
    for entry in entries:
        import_entry(entry, folder)


def import_entry(entry: str, folder: Path) -> ModuleType:
    """Import one entry and return its module. Raises HandlerError."""
    if entry.endswith(".py") or "/" in entry:
        return _import_file(entry, (folder / entry).resolve())
    if not all(part.isidentifier() for part in entry.split(".")):
        raise HandlerError(
            f"{entry!r} is no handlers module: write a dotted name such as app.handlers, or "
            "the path of a .py file"
        )
    return _import_module(entry, folder)


def user_traceback(error: BaseException) -> str:
    """Return an exception as Python prints it, with the frames of user code alone."""
    told = TracebackException.from_exception(error)
    _trim(told, set())
    return "".join(told.format())


def _trim(told: TracebackException, seen: set[int]) -> None:
    if id(told) in seen:
        return
    seen.add(id(told))
    frames = [f for f in told.stack if not f.filename.startswith(_HIDDEN)]
    told.stack = StackSummary.from_list(frames)
    parts = (told.__cause__, told.__context__, *(getattr(told, "exceptions", None) or ()))
    for part in parts:
        if part is not None:
            _trim(part, seen)


def _import_module(name: str, folder: Path) -> ModuleType:
    from importlib import import_module

    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        # One that the module itself imports is the module's fault, and has its frames.
        own = error.name is not None and f"{name}.".startswith(f"{error.name}.")
        if own and not _has_user_frames(error):
            raise HandlerError(_no_module(name, error, folder)) from None
        raise _broken(name, error) from error
    except (Exception, SystemExit) as error:
        raise _broken(name, error) from error


def _import_file(entry: str, path: Path) -> ModuleType:
    from importlib.util import module_from_spec, spec_from_file_location

    if path.suffix != ".py" or not path.is_file():
        why = "is no .py file" if path.exists() else "does not exist"
        raise HandlerError(f"the handlers file {path} {why}")
    name = _module_name(path)
    if name in sys.modules:
        return sys.modules[name]
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise HandlerError(f"the handlers file {path} cannot be imported")
    if str(path.parent) not in sys.path:
        # As for a script, its neighbours can be imported; last, so that they hide nothing.
        sys.path.append(str(path.parent))
    module = module_from_spec(spec)
    # Before it runs: dataclasses and pickle look the module up by its name.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        sys.modules.pop(name, None)
        raise _broken(entry, error) from error
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def _module_name(path: Path) -> str:
    """Return the name to import a file under: its stem, unless that means another module."""
    from zlib import crc32

    stem = "".join(c if c.isalnum() else "_" for c in path.stem)
    if stem.isidentifier() and _means(stem, path):
        return stem
    return f"jobctl_handlers_{stem}_{crc32(str(path).encode()):08x}"


def _means(name: str, path: Path) -> bool:
    """Whether a module name is free or stands for the file at `path` already."""
    from importlib.util import find_spec

    if name in sys.modules:
        origin = getattr(sys.modules[name], "__file__", None)
    else:
        try:
            spec = find_spec(name)
        except (ImportError, ValueError):
            return False
        if spec is None:
            return True
        origin = spec.origin
    return origin is not None and Path(origin).resolve() == path


def _has_user_frames(error: BaseException) -> bool:
    frames = TracebackException.from_exception(error).stack
    return any(not f.filename.startswith(_HIDDEN) for f in frames)


def _no_module(name: str, error: ModuleNotFoundError, folder: Path) -> str:
    message = f"there is no module {name} in {folder} or on Python's path"
    if error.name != name:
        message = f"there is no module {error.name} in {folder} or on Python's path ({name})"
    here = [p.stem for p in folder.glob("*.py")]
    meant = nearest(name, here)
    return f"{message}; did you mean {meant}?" if meant else message


def _broken(entry: str, error: BaseException) -> HandlerError:
    return HandlerError(f"{entry} does not import:\n{user_traceback(error).rstrip()}")
