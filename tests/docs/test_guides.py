"""The blocks of the guides, run as they are written, in an empty folder."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.helpers import ROOT

#: Each guide, and what its blocks show.
GUIDES = {
    "docs/best-practices.md": [
        "stats-123\nstats-123\n",
        "Fail: order 18 has the amount -1",
        "dead: order-18",
        "data.amount: expected float, got str",
        "the configuration is fine",
    ],
    "docs/troubleshooting.md": [
        "- It is delayed until ",
        '"code": "no-daemon"',
        "no handler is called 'helo'; there are: hello",
        "max_rss",
        "the configuration is fine",
    ],
    "docs/schedules.md": ["02:30", "no tick has come yet", "nightly"],
    "docs/filters.md": ["scheduled in", "did you mean status?\n  status:failed stauts:dead\n"],
    "docs/api-table.md": [
        "to ann@example.com, attempt 1",
        "3 wait",
        "'completed': 1",
        "1 far ahead",
    ],
}
_BLOCK = re.compile(r"^( *)```(sh|python)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# (\S+\.py)\n")


def blocks(guide: str) -> list[tuple[str, str]]:
    text = (ROOT / guide).read_text(encoding="utf-8")
    return [(kind, textwrap.dedent(block)) for _, kind, block in _BLOCK.findall(text)]


@pytest.mark.parametrize("guide", list(GUIDES))
def test_every_block_of_a_guide_works(guide: str, folder: Path) -> None:
    output = ""
    for kind, block in blocks(guide):
        if kind == "python" and (match := _FILE.match(block)):
            (folder / match[1]).write_text(block, encoding="utf-8")
            continue
        command = ["bash", "-euo", "pipefail", "-c", block]
        if kind == "python":
            command = [sys.executable, "-c", block]
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
        output += done.stdout + done.stderr
    for expected in GUIDES[guide]:
        assert expected in output
    assert str(ROOT / "jobctl") not in output  # no traceback but the handlers' own
    assert "hunter2" not in output
