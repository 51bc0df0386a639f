"""The README: its tour is what comes when it is typed, its links lead somewhere."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from tests.docs import tour

ROOT = Path(__file__).parents[2]


def test_the_tour_is_as_it_was_recorded(folder: Path) -> None:
    """What the README shows is what comes; `make tour` records it anew."""
    readme = tour.README.read_text(encoding="utf-8")
    recorded = tour.blocks(readme)
    assert sum(map(len, recorded)) > 20
    for line, came in (pair for block in recorded for pair in block):
        now = tour.run(line, folder, os.environ)
        assert tour.steady(now) == tour.steady(came), f"$ {line}\n{now}"


def test_links_lead_somewhere() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_store_can_be_read_without_jobctl(folder: Path) -> None:
    page = (ROOT / "docs/store.md").read_text(encoding="utf-8")
    snippet = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert snippet is not None
    subprocess.run(["bash", "-c", "jobctl init && jobctl add hello"], cwd=folder, check=True)
    subprocess.run(["python", "-c", snippet[1]], cwd=folder, check=True)
