"""docs/dashboard.md says what there is."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from jobctl.config.schema import FILE
from tests.web.conftest import Site

GUIDE = (Path(__file__).parents[2] / "docs/dashboard.md").read_text(encoding="utf-8")


def test_its_table_has_every_route_and_no_other(site: Site) -> None:
    document = site.client.get("/openapi.json").json()
    there = {
        f"{verb.upper()} {path}" for path, item in document["paths"].items() for verb in item
    }
    said = re.findall(r"^\| `((?:GET|POST|DELETE) \S+)` \|", GUIDE, re.MULTILINE)
    assert sorted(said) == sorted(there)


def test_its_configuration_is_right() -> None:
    [block] = re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)
    faults: list[object] = []
    FILE(tomllib.loads(block), (), lambda *fault: faults.append(fault))
    assert faults == []
