"""The README: its tour is what comes when it is typed, its links lead somewhere."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from tests.docs import tour
from tests.helpers import ROOT


def test_the_tour_is_as_it_was_recorded(folder: Path) -> None:
    """What the README shows is what comes; `make tour` records it anew."""
    readme = tour.README.read_text(encoding="utf-8")
    recorded = tour.blocks(readme)
    assert sum(map(len, recorded)) > 20
    for line, came in (pair for block in recorded for pair in block):
        now = tour.run(line, folder, os.environ)
        assert tour.steady(now) == tour.steady(came), f"$ {line}\n{now}"


def test_recipes_work(folder: Path) -> None:
    """The blocks of "In scripts", each as it stands, in a folder that `init` has made."""
    section = tour.README.read_text(encoding="utf-8").partition("## In scripts")[2]
    recipes = re.findall(r"```sh\n(.*?)```", section.partition("\n## ")[0], re.DOTALL)
    assert len(recipes) == 2
    said = ""
    for recipe in ["jobctl init", *recipes, *recipes]:  # to do them again does no harm
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", recipe],
            cwd=folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{recipe}\n{done.stdout}{done.stderr}"
        said += done.stdout
    for text in ("report", "import-b.csv", "all completed"):
        assert text in said
    # What the timer starts is a command that adds a job.
    unit = (folder / "units/report.service").read_text(encoding="utf-8")
    (start,) = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    done = subprocess.run(start.split(), cwd="/", capture_output=True, text=True, check=True)
    assert re.fullmatch(r"[a-z2-7]{16}\n", done.stdout)


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
