"""The guide to systemd names commands and flags that there are."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

GUIDE = Path(__file__).parents[2] / "docs" / "systemd.md"


def test_every_jobctl_line_has_its_flags(folder: Path) -> None:
    lines = re.findall(r"^jobctl .*$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(lines) > 5
    for line in lines:
        words = shlex.split(line, comments=True)
        commands = [word for word in words if not word.startswith(("-", "/"))][:3]
        commands = commands[: 3 if commands[1] == "systemd" else 2]
        shown = subprocess.run(
            [*commands, "--help"], cwd=folder, capture_output=True, text=True, timeout=30
        )
        assert shown.returncode == 0, shown.stderr
        for flag in (word for word in words if word.startswith("--")):
            assert flag in shown.stdout + shown.stderr, line
