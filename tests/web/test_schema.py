"""The document and the server agree: whatever is asked, it answers as it says it does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from jobctl.core.job import Options, Outcome
from jobctl.web import gate
from tests.helpers import claim, end, make_job, put
from tests.web.conftest import TOKEN, Site

#: What a type cannot say is refused in words (422): that run_at and delay exclude each other.
#: And Litestar says of OPTIONS what the first route of a path allows, not all of them.
EXCLUDED = "positive_data_acceptance,allow_header_conformance"


@pytest.fixture
def documented(serve: Callable[..., Site], monkeypatch: pytest.MonkeyPatch) -> Site:
    """A server with a job of each status and a schedule, that may be asked without end."""
    monkeypatch.setattr(gate, "FAILURES", 10**9)
    site = serve(
        '[dashboard]\nadd_rate = "1000000/s"\n'
        '[schedules.nightly]\ncron = "0 3 * * *"\njob = "clean"\n'
    )
    put(site.store, make_job("k3v9x0q2m4n6p8r1"), make_job("good"), make_job("running"))
    dead, good, _ = claim(site.store, limit=3)
    end(site.store, dead, Outcome.ERROR, options=Options(max_retries=0))
    end(site.store, good)
    put(site.store, make_job("pending"))
    return site


@pytest.mark.slow
def test_whatever_is_asked_is_answered_as_documented(documented: Site) -> None:
    done = subprocess.run(
        [
            sys.executable, "-m", "schemathesis.cli", "run", f"{documented.url}/openapi.json",
            "--header", f"Authorization: Bearer {TOKEN}",
            "--exclude-path", "/api/admin/events",  # it has no end
            "--exclude-checks", EXCLUDED,
            "--max-examples", "10", "--seed", "1", "--no-color",
        ],
        cwd=documented.folder,
        capture_output=True,
        text=True,
        timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr
    assert " passed" in done.stdout
