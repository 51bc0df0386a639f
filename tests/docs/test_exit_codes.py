"""The table of exit codes in the README, and how each of them comes about."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.helpers import ROOT

#: What is there before: `failed` a dead job, `there` a pending one, `gone` a deleted one.
BEFORE = """
jobctl init
cat >> handlers.py <<'END'
@handler("fail")
def fail(job: Job) -> None:
    raise ValueError("no")
END
jobctl add fail --id failed --max-retries 0
jobctl run --burst
jobctl add hello --id there --delay 1h
"""

#: By code: what is typed, and what is said on stderr (a part of it).
CASES = {
    0: [
        ("jobctl list", ""),
        ("jobctl add hello --id there", "there already"),
        ("jobctl cancel there --dry-run", ""),
    ],
    1: [
        ("jobctl wait failed", ""),
        ("jobctl health", ""),
    ],
    2: [
        ("jobctl", ""),
        ("jobctl ad", "did you mean add?"),
        ("jobctl list --stauts failed", "did you mean --status?"),
        ("jobctl add 'no blanks'", "name"),
        ("jobctl add hello '{1}'", "JSON"),
        ("echo '[runs]' > jobs.toml; jobctl list", "did you mean run?"),
        ("jobctl delete", "ID"),
        ("jobctl --config nowhere.toml list", "nowhere.toml"),
    ],
    3: [
        ("jobctl show nowhere", "there is no job nowhere"),
        ("jobctl wait nowhere", "there is no job nowhere"),
        ("jobctl schedule show nowhere", "nowhere"),
    ],
    4: [
        ("jobctl retry there", "pending"),
        ("jobctl add hello --id there --if-exists error", "there"),
        ("jobctl init", "there already"),
    ],
    5: [
        ("rm -r .jobctl; echo text > .jobctl; jobctl list", ".jobctl"),
        ('sed -i \'s/"format": *1/"format":99/\' .jobctl/store.json; jobctl list', "newer"),
        (
            "jobctl run & trap 'kill %1; wait %1' EXIT; "
            "until jobctl health >&2; do sleep 0.1; done; jobctl run --burst",
            "daemon",
        ),
    ],
    124: [("jobctl wait there --timeout 0.1", "")],
    130: [("timeout --preserve-status -s INT 1 jobctl wait there", "")],
}
MADE = [(code, line, said) for code, cases in CASES.items() for line, said in cases]


def bash(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", line], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.fixture
def used(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which jobctl was used; made once, and copied."""
    made = tmp_path_factory.getbasetemp() / "used"
    if not made.exists():
        done = bash(f"set -e{BEFORE}", folder)
        assert done.returncode == 0, done.stderr
        shutil.copytree(folder, made, ignore=lambda at, names: {"wake"} & {*names})
        return folder
    shutil.copytree(made, folder, dirs_exist_ok=True)
    return folder


def test_the_table_names_all_of_them() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = readme.partition("## Exit codes")[2].partition("##")[0]
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)] == [*CASES]


@pytest.mark.parametrize(("code", "line", "said"), MADE, ids=[line for _, line, _ in MADE])
def test_exit_code(used: Path, code: int, line: str, said: str) -> None:
    done = bash(line, used)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
