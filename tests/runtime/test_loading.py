"""Handler modules: their import, what goes wrong in it, and Queue.process's functions."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jobctl.errors import HandlerError
from jobctl.runtime import handlers
from jobctl.runtime.handlers import handler
from jobctl.runtime.loading import load

WORKER = """
from __future__ import annotations
from dataclasses import dataclass
from jobctl.runtime.handlers import handler

@dataclass
class Data:
    a: int

@handler("work")
def work(data: Data) -> Data:
    return data
"""


@pytest.fixture(autouse=True)
def _restore_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(handlers, "_handlers", {})
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize("entry", ["jobs_a", "jobs_a.py", "./jobs_a.py"])
def test_a_module_is_found_from_the_folder(tmp_path: Path, entry: str) -> None:
    write(tmp_path, "jobs_a.py", WORKER)
    load([entry], tmp_path)
    assert handlers.names() == ["work"]
    assert sys.path[0] == str(tmp_path)
    module = sys.modules["jobs_a"]
    value = module.Data(3)
    assert pickle.loads(pickle.dumps(value)) == value


def test_by_name_and_by_path_is_one_module(tmp_path: Path) -> None:
    write(tmp_path, "jobs_a.py", WORKER)
    load(["jobs_a", "jobs_a.py", "jobs_a"], tmp_path)
    assert handlers.names() == ["work"]


def test_a_dotted_module_in_a_package(tmp_path: Path) -> None:
    write(tmp_path, "app_a/__init__.py", "")
    write(
        tmp_path, "app_a/jobs.py", "from . import other\n" + WORKER.lstrip().split("\n", 1)[1]
    )
    write(tmp_path, "app_a/other.py", "")
    load(["app_a.jobs"], tmp_path)
    assert handlers.names() == ["work"]


def test_a_stem_that_is_taken_gets_a_name_of_its_own(tmp_path: Path) -> None:
    write(tmp_path, "json.py", WORKER)
    write(tmp_path, "my-worker.py", WORKER.replace('"work"', '"dash"'))
    write(tmp_path, "one/same.py", WORKER.replace('"work"', '"one"'))
    write(tmp_path, "two/same.py", WORKER.replace('"work"', '"two"'))
    import json

    load(["./json.py", "my-worker.py", "one/same.py", "two/same.py"], tmp_path)
    assert handlers.names() == ["dash", "one", "two", "work"]
    assert sys.modules["json"] is json


def test_a_file_may_import_its_neighbour(tmp_path: Path) -> None:
    write(tmp_path, "sub/neighbour_a.py", "VALUE = 1\n")
    write(tmp_path, "sub/jobs_b.py", "import neighbour_a\n" + WORKER.replace("from __f", "# "))
    load(["sub/jobs_b.py"], tmp_path)
    assert handlers.names() == ["work"]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("absent_a", r"there is no module absent_a in .* or on Python's path$"),
        ("handlerz", "did you mean handlers_x"),
        ("pack_a.absent", r"there is no module pack_a\.absent in"),
        ("absent_a.py", r"the handlers file /.*/absent_a\.py does not exist"),
        ("sub/", "is no .py file"),
        ("two words", "'two words' is no handlers module"),
        (".relative", "'.relative' is no handlers module"),
        ("", "'' is no handlers module"),
    ],
)
def test_a_missing_module_is_one_line(tmp_path: Path, entry: str, message: str) -> None:
    write(tmp_path, "handlers_x.py", "")
    write(tmp_path, "pack_a/__init__.py", "")
    write(tmp_path, "sub/x.py", "")
    with pytest.raises(HandlerError, match=message) as caught:
        load([entry], tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("entry", ["broken_a", "broken_a.py"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("def f():\n    1 / 0\nf()\n", ["line 3, in <module>", "line 2, in f", "ZeroDivision"]),
        ("import absent_b\n", ["line 1", "No module named 'absent_b'"]),
        ("def f(:\n", ["line 1", "SyntaxError"]),
        ("import sys\nsys.exit(3)\n", ["line 2", "SystemExit: 3"]),
        (
            "from jobctl.runtime.handlers import handler\n@handler('x')\ndef f(a, b): ...\n",
            ["line 2", "needs 2 arguments"],
        ),
        (
            "try:\n    1 / 0\nexcept ArithmeticError as e:\n    raise ValueError('v') from e\n",
            ["ZeroDivisionError", "direct cause", "ValueError: v"],
        ),
        ("import importlib\nimportlib.import_module('broken_c')\n", ["line 2", "broken_c"]),
    ],
)
def test_a_broken_module_shows_the_users_traceback(
    tmp_path: Path, entry: str, text: str, expected: list[str]
) -> None:
    path = write(tmp_path, "broken_a.py", text)
    with pytest.raises(HandlerError) as caught:
        load([entry], tmp_path)
    message = str(caught.value)
    assert message.startswith(f"{entry} does not import:\n")
    assert str(path) in message
    for part in expected:
        assert part in message
    assert "importlib/__init__.py" not in message
    assert "frozen" not in message
    assert "jobctl/runtime" not in message
    assert "broken_a" not in sys.modules


def test_a_package_that_misses_its_own_part_shows_where(tmp_path: Path) -> None:
    path = write(tmp_path, "pack_c/__init__.py", "import pack_c.jobs\n")
    with pytest.raises(HandlerError, match=r"^pack_c\.jobs does not import:") as caught:
        load(["pack_c.jobs"], tmp_path)
    assert f'{path}", line 1' in str(caught.value)


def test_an_interrupt_during_import_is_let_through(tmp_path: Path) -> None:
    write(tmp_path, "broken_a.py", "raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        load(["broken_a.py"], tmp_path)
    assert "broken_a" not in sys.modules


def top_level() -> None: ...


class Service:
    def method(self) -> None: ...

    @staticmethod
    def static() -> None: ...


def closure() -> Callable[[], Any]:
    return lambda: None


def inner() -> Callable[[], Any]:
    def inside() -> None: ...

    return inside


renamed = closure


def test_a_function_of_a_module_can_be_processed() -> None:
    name = f"{__name__}:top_level"
    assert handlers.process("work", top_level) == name
    assert handlers.process("static", Service.static) == f"{__name__}:Service.static"
    assert handlers.names() == ["static", "work"]


def test_process_keeps_what_the_decorator_said() -> None:
    handler("work", max_retries=7)(top_level)
    handlers.process("work", top_level)
    found = handlers.handler_of("work")
    assert found.options == {"max_retries": 7}


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (closure(), "it is a lambda"),
        (inner(), "it is defined inside a function"),
        (Service().method, "it is a method of an object"),
    ],
)
def test_what_a_worker_cannot_import_is_refused(function: Any, why: str) -> None:
    with pytest.raises(HandlerError, match=f"{why}, and the worker processes"):
        handlers.process("work", function)
    assert handlers.names() == []


def test_a_function_that_its_name_does_not_lead_to_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    function = top_level
    monkeypatch.setattr(sys.modules[__name__], "top_level", closure)
    with pytest.raises(HandlerError, match="is something else"):
        handlers.process("work", function)


def test_a_processed_function_is_found_again(tmp_path: Path) -> None:
    path = write(tmp_path, "app_b.py", "def work(): return 5\nclass A:\n    b = None\n")
    for place in (f"{path}:work", "app_b.py:work", "app_b:work"):
        load([], tmp_path)
        handlers.register_process("work", place, tmp_path)
        found = handlers.handler_of("work")
        assert found.function() == 5


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("app_b.py", "is no place of a function"),
        ("app_b.py:", "is no place of a function"),
        ("app_b.py:absent", "there is no absent in app_b.py"),
        ("app_b.py:NUMBER", "is a int"),
    ],
)
def test_a_place_without_a_function_is_refused(
    tmp_path: Path, place: str, message: str
) -> None:
    write(tmp_path, "app_b.py", "NUMBER = 3\n")
    with pytest.raises(HandlerError, match=message):
        handlers.register_process("work", place, tmp_path)


PROGRAM = """
from jobctl.runtime import handlers
def work(): ...
print(handlers.process("work", work))
"""


def python(*arguments: str, cwd: Path) -> str:
    root = Path(handlers.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.stdout + done.stderr


def test_functions_of_the_program_itself(tmp_path: Path) -> None:
    path = write(tmp_path, "program.py", PROGRAM)
    write(tmp_path, "pack_b/__init__.py", "")
    write(tmp_path, "pack_b/program.py", PROGRAM)
    assert python("program.py", cwd=tmp_path).strip() == f"{path}:work"
    assert python("-m", "pack_b.program", cwd=tmp_path).strip() == "pack_b.program:work"
    assert "typed at a prompt" in python("-c", PROGRAM, cwd=tmp_path)


def test_a_worker_pays_for_no_store_and_no_terminal(tmp_path: Path) -> None:
    code = "import jobctl.runtime.handlers, sys; print(*sys.modules)"
    loaded = python("-c", code, cwd=tmp_path).split()
    assert "jobctl.runtime.handlers" in loaded
    for name in ("asyncio", "typer", "rich", "sqlite3", "jobctl.stores", "pydantic"):
        assert name not in loaded
