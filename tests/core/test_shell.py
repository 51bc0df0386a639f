"""What may be a shell job."""

from __future__ import annotations

from typing import Any

import pytest

from jobctl.core.shell import default_name, kept, shell_of
from jobctl.errors import InvalidJob


def test_the_field_holds_what_was_given() -> None:
    wanted = {"argv": ["a", ""], "cwd": "/x", "env": {"A": "=b"}}
    assert shell_of(("a", ""), "/x", {"A": "=b"}, max_data=100) == wanted


@pytest.mark.parametrize(
    ("argv", "cwd", "env", "field"),
    [
        ([], "/", {}, r"shell \[\] is refused"),
        ("ls -l", "/", {}, "as a list"),
        ([""], "/", {}, r"shell\[0\]"),
        (["a", 1], "/", {}, r"shell\[1\] 1"),
        (["a", "\0"], "/", {}, r"shell\[1\]"),
        (["a"], "here", {}, "cwd"),
        (["a"], "/\0", {}, "cwd"),
        (["a"], "/", {"A=B": ""}, "env"),
        (["a"], "/", {"": ""}, "env"),
        (["a"], "/", {"A": 1}, "env.A"),
        (["a"], "/", {"A": "\0"}, "env.A"),
        (["a", "b" * 100], "/", {}, "too large"),
        (["a\udc80"], "/", {}, "surrogate"),
    ],
)
def test_what_cannot_be_run_is_refused(argv: Any, cwd: Any, env: Any, field: str) -> None:
    with pytest.raises(InvalidJob, match=field):
        shell_of(argv, cwd, env, max_data=100)


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (["/usr/bin/rsync", "-a"], "rsync"),
        (["./a b:c.sh"], "a-b-c.sh"),
        (["["], "shell"),
        (["/"], "shell"),
        (["_é"], "shell"),
        (["x" * 200], "x" * 128),
    ],
)
def test_the_name_is_the_commands(argv: list[str], name: str) -> None:
    assert default_name(argv) == name


def test_little_of_the_environment_is_kept() -> None:
    wanted = {"PATH": "p", "HOME": "h", "LANG": "l", "LC_ALL": "c", "TZ": "t"}
    assert kept({**wanted, "TOKEN": "x", "LANGUAGE": "x", "PATHS": "x"}) == wanted
