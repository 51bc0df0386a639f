"""The five minutes of the README, typed as they stand there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_tour_works(folder: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    typed = [line for block in _BLOCK.findall(readme) for line in block.splitlines()]
    assert len(typed) > 10
    output = ""
    for line in typed:
        assert line.startswith("$ ")
        done = subprocess.run(
            ["bash", "-c", line[2:]], cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{line}\n{done.stderr}"
        output += done.stdout
    assert "Hello, you!" in output
    assert "Hello, once!" in output
    assert '"completed": 3' in output


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
