"""A real Chromium, and what its tests put into a store."""

from __future__ import annotations

import shutil
from datetime import timedelta
from typing import Any

from playwright.sync_api import BrowserContext, Page

from jobctl.core.job import Ending, Exit, Job, JobError, Options, Outcome, finish
from jobctl.services.logfile import path_of
from tests.helpers import NOON, claim, make_job, put, there
from tests.web.conftest import TOKEN, Site

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

#: Text that must stay text, wherever it turns up.
PAYLOAD = (
    "<script>window.hurt=1</script><img src=x onerror=window.hurt=1>"
    "\"'><svg onload=window.hurt=1>{{7*7}}${7*7}javascript:alert(1)"
)


class Tab:
    """A page of the dashboard in a browser, and all that happened in it."""

    def __init__(self, site: Site, context: BrowserContext) -> None:
        self.site = site
        self.page: Page = context.new_page()
        self.page.set_default_timeout(10_000)
        self.urls: list[str] = []
        self.said: list[str] = []
        self.page.on("request", lambda request: self.urls.append(request.url))
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: self.said.append(f"dialog {dialog.message}"))

    def open(self, path: str = "/admin", token: str = TOKEN) -> Page:
        """Open a page with its token, as `jobctl dashboard` prints it."""
        self.page.goto(f"{self.site.url}{path}#token={token}")
        return self.page

    def quiet(self) -> None:
        """Assert that nothing went wrong, and that nobody else was asked for anything."""
        assert self.said == []
        assert all(url.startswith(self.site.url) for url in self.urls)


def died(site: Site, job_id: str, error: JobError | None = None, **fields: Any) -> Job[Any]:
    """Put a job into the store that has run once and is dead."""
    put(site.store, make_job(job_id, max_retries=0, **fields))
    [job] = claim(site.store)
    ending = Ending(
        Outcome.ERROR,
        finished_at=NOON + timedelta(seconds=1.5),
        started_at=NOON,
        error=error or JobError("ValueError", "it went wrong"),
        worker="4711",
        exit=Exit(code=1),
        max_rss=20 << 20,
        cpu_seconds=0.25,
        log_tail=("the last line",),
    )
    with site.store.transaction() as tx:
        tx.settle([finish(job, ending, Options(max_retries=0))])
    return there(site.store, job_id)


def completed(site: Site, job_id: str, result: Any = None, **fields: Any) -> Job[Any]:
    """Put a job into the store that has completed."""
    put(site.store, make_job(job_id, **fields))
    [job] = claim(site.store)
    ending = Ending(Outcome.COMPLETED, finished_at=NOON, started_at=NOON, result=result)
    with site.store.transaction() as tx:
        tx.settle([finish(job, ending, Options())])
    return there(site.store, job_id)


def write_log(site: Site, job_id: str, text: str) -> None:
    """Append to the log of a job."""
    path = path_of(site.store.files, job_id)
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as file:
        file.write(text)


def hostile(site: Site) -> None:
    """Put jobs into the store that have a payload in every field that takes text."""
    error = JobError(PAYLOAD, PAYLOAD, f"Traceback\n{PAYLOAD}\u202e\x1b[31m")
    died(
        site,
        "dead",
        error,
        data={PAYLOAD: [PAYLOAD, {"deep": PAYLOAD}]},
        tags=(PAYLOAD,),
        concurrency_key=PAYLOAD,
    )
    completed(site, "good", {PAYLOAD: PAYLOAD}, data=PAYLOAD, shell={"argv": [PAYLOAD]})
    put(site.store, make_job("runs", schedule="a/../b"))
    claim(site.store)
    for job_id in ("dead", "good", "runs"):
        write_log(site, job_id, f"{PAYLOAD}\n\x1b[2J\u202e\n")
