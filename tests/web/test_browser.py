"""The pages in a real Chromium: what a person sees and does there."""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, Route, expect

from jobctl.core.job import Status
from jobctl.services.figures import Tally
from jobctl.services.telling import Rules, State, Told, write_told
from tests.helpers import claim, eventually, make_job, put, there
from tests.web.browser import Tab, completed, died, write_log
from tests.web.conftest import TOKEN, Site
from tests.web.crew import attended, counted, reached, works

pytestmark = pytest.mark.browser


def rows(page: Page) -> list[str]:
    """Return the ids of the jobs that are listed."""
    return page.locator(".rows.jobs tbody .job").all_inner_texts()


# -- the token -------------------------------------------------------------------------


def test_the_token_leaves_the_address_at_once(tab: Tab) -> None:
    page = tab.open("/admin/jobs")
    expect(page.get_by_role("heading", name="Jobs")).to_be_visible()
    assert page.url == f"{tab.site.url}/admin/jobs"
    assert page.evaluate("Object.values(sessionStorage)") == [TOKEN]
    assert page.evaluate("localStorage.length + document.cookie.length") == 0
    assert not any(TOKEN in url for url in tab.urls)
    page.reload()
    expect(page.get_by_role("heading", name="Jobs")).to_be_visible()
    tab.quiet()


def test_without_a_token_the_page_asks_for_one(tab: Tab) -> None:
    tab.page.goto(f"{tab.site.url}/admin/jobs")
    field = tab.page.get_by_label("Token", exact=True)
    expect(field).to_be_visible()
    assert not any("/api/" in url for url in tab.urls)
    field.fill("wrong")
    tab.page.get_by_role("button", name="Open").click()
    expect(tab.page.get_by_text("The token is wrong.")).to_be_visible()
    tab.page.get_by_label("Token", exact=True).fill(TOKEN)
    tab.page.get_by_role("button", name="Open").click()
    expect(tab.page.get_by_text("There are no jobs yet.")).to_be_visible()


# -- the list --------------------------------------------------------------------------


def test_the_list_and_its_counts_are_live(tab: Tab) -> None:
    page = tab.open("/admin/jobs")
    expect(page.get_by_text("There are no jobs yet.")).to_be_visible()
    put(tab.site.store, make_job("first"))
    expect(page.get_by_role("link", name="first")).to_be_visible()
    expect(page.get_by_role("link", name="pending 1")).to_be_visible()
    claim(tab.site.store)
    expect(page.get_by_role("link", name="running 1")).to_be_visible()
    expect(page.locator("tbody .badge")).to_have_text("running")
    tab.quiet()


def test_tabs_filter_and_pages(tab: Tab) -> None:
    put(tab.site.store, *(make_job(f"j{n:03}", name=f"n{n % 2}") for n in range(120)))
    died(tab.site, "bad", priority=1)
    page = tab.open("/admin/jobs")
    expect(page.get_by_role("link", name="all 121")).to_be_visible()
    eventually(lambda: len(rows(page)) == 50)
    page.get_by_role("button", name="Older").click()
    expect(page.get_by_text("page 2")).to_be_visible()
    eventually(lambda: rows(page)[:1] == ["j070"])
    page.get_by_role("button", name="Older").click()
    eventually(lambda: rows(page)[-1:] == ["j000"])
    expect(page.get_by_role("button", name="Older")).to_be_disabled()
    page.get_by_role("button", name="Newer").click()
    eventually(lambda: rows(page)[:1] == ["j070"])
    page.get_by_role("link", name="failed 1").click()
    eventually(lambda: rows(page) == ["bad"])
    assert page.url.endswith("/admin/jobs?status=failed")
    page.get_by_role("link", name="all 121").click()
    page.keyboard.press("/")
    page.keyboard.type("name:n1 status:pending")
    page.keyboard.press("Enter")
    eventually(lambda: rows(page)[:1] == ["j119"])
    page.go_back()
    eventually(lambda: rows(page)[:1] == ["bad"])
    page.get_by_label("Filter", exact=True).fill("nonsense:1")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("#filter-fault")).to_contain_text("nonsense")


def test_a_filter_that_few_jobs_match_looks_on_until_it_is_stopped(
    tab: Tab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobctl.stores.directory.choosing.FEW", 10)
    put(tab.site.store, *(make_job(f"j{n:03}", data={"rare": n % 30 == 0}) for n in range(100)))
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    tab.page.route(lambda url: "cursor=" in url, hold)
    page = tab.open("/admin/jobs?filter=data.rare:true")
    expect(page.locator(".where")).to_contain_text("1 job found so far")
    put(tab.site.store, make_job("new", data={"rare": True}))
    expect(page.get_by_role("link", name="all 101")).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".where")).to_have_text("Stopped, 1 job found")
    assert rows(page) == ["j090"]  # what was found stays, whatever is added
    held.pop().continue_()
    tab.page.unroute_all()
    page.get_by_role("button", name="Look on").click()
    expect(page.locator(".where")).to_have_text("4 jobs found")
    assert rows(page) == ["j090", "j060", "j030", "j000"]
    page.get_by_role("button", name="Look again").click()
    eventually(lambda: rows(page) == ["new", "j090", "j060", "j030", "j000"])
    page.goto(f"{tab.site.url}/admin/jobs?filter=data.rare:9")
    expect(page.get_by_text("No job matches.")).to_be_visible()
    tab.quiet()


def test_several_are_retried_after_a_question(tab: Tab) -> None:
    for n in range(4):
        died(tab.site, f"f{n}")
    page = tab.open("/admin/jobs")
    page.get_by_label("Select f0").check()
    page.get_by_label("Select f2").check()
    expect(page.get_by_text("2 selected")).to_be_visible()
    page.get_by_role("button", name="Retry").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("2 jobs would be retried")
    dialog.get_by_role("button", name="Leave it").click()
    expect(dialog).to_be_hidden()
    assert tab.site.store.stats().failed == 4
    page.get_by_role("button", name="Retry").click()
    dialog.get_by_role("button", name="Retry 2").click()
    expect(page.get_by_text("2 jobs retried")).to_be_visible()
    assert {job.id for job in tab.site.store.list(status=Status.PENDING)} == {"f0", "f2"}
    tab.quiet()


def test_all_that_match_are_deleted_after_a_question(tab: Tab) -> None:
    for n in range(60):
        died(tab.site, f"f{n}")
    completed(tab.site, "good")
    page = tab.open("/admin/jobs?status=failed")
    page.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("60 jobs would be deleted")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert tab.site.store.stats().failed == 60
    page.get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Delete 60").click()
    expect(page.get_by_text("60 jobs deleted")).to_be_visible()
    assert [job.id for job in tab.site.store.list()] == ["good"]


def test_cleaning_up_counts_first(tab: Tab) -> None:
    completed(tab.site, "old")
    page = tab.open("/admin/jobs")
    page.get_by_role("button", name="Clean up").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Older than").fill("nonsense")
    expect(dialog).to_contain_text("is not a duration")
    dialog.get_by_label("Older than").fill("10000d")
    expect(dialog).to_contain_text("0 jobs would go.")
    dialog.get_by_label("Older than").fill("0s")
    expect(dialog).to_contain_text("1 job would go.")
    dialog.get_by_role("button", name="Delete them").click()
    expect(page.get_by_text("1 job deleted")).to_be_visible()
    assert tab.site.store.list() == []


# -- one job ---------------------------------------------------------------------------


def test_a_dead_job_tells_all_and_is_retried(tab: Tab) -> None:
    died(tab.site, "dead", data={"n": 2**63, "to": "a@b.c"}, tags=("one", "two"))
    write_log(tab.site, "dead", "--- attempt 1 ---\nhello\n")
    page = tab.open("/admin/jobs/dead")
    for text in (
        "ValueError",
        "it went wrong",
        "one, two",
        "20.0 MiB",
        "250ms",
        "1.5s",
        "4711",
    ):
        expect(page.locator("main")).to_contain_text(text)
    # A double would make of it 9223372036854776000.
    expect(page.get_by_label("Data")).to_contain_text('"n": 9223372036854775808')
    expect(page.get_by_label("Log", exact=True)).to_contain_text("hello")
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
    page.get_by_role("button", name="Retry").click()
    expect(page.locator("h1 .badge")).to_have_text("pending")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("h1 .badge")).to_have_text("cancelled")
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page).to_have_url(f"{tab.site.url}/admin/jobs")
    assert tab.site.store.get("dead") is None
    tab.quiet()


def test_the_log_grows_as_it_is_written(tab: Tab) -> None:
    put(tab.site.store, make_job("runs"))
    claim(tab.site.store)
    page = tab.open("/admin/jobs/runs")
    log = page.get_by_label("Log", exact=True)
    expect(log).to_be_hidden()
    for n in range(3):
        write_log(tab.site, "runs", f"line {n} ä\n")
        expect(log).to_contain_text(f"line {n} ä")
    assert log.inner_text() == "line 0 ä\nline 1 ä\nline 2 ä\n"
    expect(page.get_by_role("button", name="Delete")).to_have_count(0)
    page.get_by_role("button", name="Cancel").click()
    eventually(lambda: there(tab.site.store, "runs").cancelling)
    tab.quiet()


def test_a_log_that_was_shortened_is_read_anew(tab: Tab) -> None:
    put(tab.site.store, make_job("runs"))
    claim(tab.site.store)
    write_log(tab.site, "runs", "x" * 5000 + "\n")
    page = tab.open("/admin/jobs/runs")
    log = page.get_by_label("Log", exact=True)
    expect(log).to_contain_text("xxxx")
    path = tab.site.store.files / "logs" / "runs.log"
    path.write_text("short\n")
    expect(log).to_have_text("short\n")


def test_a_job_that_is_not_there(tab: Tab) -> None:
    page = tab.open("/admin/jobs/nobody")
    expect(page.get_by_text("There is no job of this id")).to_be_visible()
    page = tab.open("/admin/nothing")
    expect(page.get_by_text("There is no such page.")).to_be_visible()


# -- schedules -------------------------------------------------------------------------

SCHEDULES = '[schedules.nightly]\ncron = "0 3 * * *"\ntimezone = "Asia/Tokyo"\njob = "clean"\n'


@pytest.fixture
def site(request: pytest.FixtureRequest) -> Site:
    """A server; that of the tests of schedules has one."""
    started: Site = request.getfixturevalue("serve")(SCHEDULES)
    return started


def test_schedules(tab: Tab) -> None:
    page = tab.open("/admin/schedules")
    row = page.get_by_role("row").filter(has_text="nightly")
    expect(row).to_contain_text("0 3 * * *")
    expect(row).to_contain_text("Asia/Tokyo")
    page.get_by_role("button", name="disable nightly").click()
    expect(row).to_contain_text("off")
    assert not tab.site.backend.scheduler.required("nightly").enabled
    page.get_by_role("button", name="enable nightly").click()
    expect(row.locator(".badge.on")).to_be_visible()
    page.get_by_role("link", name="nightly").click()
    ticks = page.locator(".ticks").first.locator("li")
    expect(ticks).to_have_count(10)
    expect(ticks.first).to_contain_text("03:00:00+09:00")
    expect(page.get_by_text("No tick has come yet.")).to_be_visible()
    page.get_by_role("button", name="Trigger nightly").click()
    page.get_by_role("dialog").get_by_role("button", name="Trigger").click()
    expect(page).to_have_url(re.compile("/admin/jobs/[a-z2-7]{16}$"))
    expect(page.get_by_role("heading", name="clean")).to_be_visible()
    [job] = tab.site.store.list()
    assert job.schedule == "nightly"
    tab.quiet()


# -- adding ----------------------------------------------------------------------------


def test_adding(tab: Tab) -> None:
    schema = {
        "type": "object",
        "properties": {"to": {"type": "string"}, "n": {"type": "integer", "default": 3}},
        "required": ["to", "n"],
    }
    known = {"handlers": {"send-email": {"options": {}, "schema": schema}}, "schedules": []}
    (tab.site.folder / ".jobctl" / "handlers.json").write_text(json.dumps(known))
    page = tab.open("/admin/add")
    page.get_by_role("button", name="send-email").click()
    data = page.get_by_label("Data (JSON)")
    expect(data).to_have_value('{\n  "to": "",\n  "n": 3\n}')
    data.fill('{"to": ')
    expect(page.locator("#data-fault")).to_contain_text("This is not JSON")
    page.get_by_role("button", name="Add", exact=True).click()
    data.fill("{}")
    expect(page.locator("#data-fault")).to_contain_text("needs to, n")
    data.fill('{"to": "a@b.c", "n": 1}')
    page.get_by_text("Options").click()
    page.get_by_label("Priority").fill("5")
    page.get_by_label("Tags").fill("one, two")
    page.get_by_label("Delay").fill("soon")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("delay 'soon' is refused")
    assert tab.site.store.list() == []
    page.get_by_label("Delay").fill("1h")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("heading", name="send-email")).to_be_visible()
    [job] = tab.site.store.list()
    assert (job.data, job.priority, job.tags) == ({"to": "a@b.c", "n": 1}, 5, ("one", "two"))
    assert job.run_at is not None


# -- the overview ----------------------------------------------------------------------


def test_the_overview(tab: Tab) -> None:
    put(tab.site.store, make_job("runs", name="report"))
    claim(tab.site.store)
    put(tab.site.store, make_job("waits", name="report"))
    page = tab.open("/admin")
    expect(page.get_by_text("No daemon runs, so no job does")).to_be_visible()
    expect(page.get_by_role("link", name="1 pending")).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="runs")).to_contain_text("report")
    expect(page.get_by_text("Due for longest")).to_be_visible()
    page.get_by_role("button", name="Week").click()
    expect(page.get_by_text("Nothing has run in the last week.")).to_be_visible()
    tab.quiet()


def test_pausing_and_resuming(tab: Tab) -> None:
    counted(tab.site, "report", Tally(completed=3), minutes=5)
    page = tab.open("/admin")

    def paused() -> list[str | None]:
        return [one.name for one in tab.site.backend.queue.paused()]

    page.get_by_role("button", name="Pause report").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Those that run go on to their end")
    dialog.get_by_role("button", name="Leave it").click()
    assert paused() == []
    page.get_by_role("button", name="Pause report").click()
    dialog.get_by_role("button", name="Pause", exact=True).click()
    expect(page.get_by_text("Jobs named report have been paused")).to_be_visible()
    assert paused() == ["report"]
    page.get_by_role("button", name="Pause all").click()
    dialog.get_by_role("button", name="Pause", exact=True).click()
    expect(page.get_by_text("All jobs have been paused")).to_be_visible()
    expect(page.get_by_role("button", name="Pause all")).to_be_hidden()
    page.get_by_role("row").get_by_role("button", name="Resume report").click()
    expect(page.get_by_text("Jobs named report have been paused")).to_be_hidden()
    assert paused() == [None]
    page.get_by_role("button", name="Resume all").click()
    expect(page.get_by_text("All jobs have been paused")).to_be_hidden()
    assert paused() == []
    tab.quiet()


def test_the_daemon_and_its_workers(tab: Tab) -> None:
    began = datetime.now(UTC) - timedelta(minutes=4, seconds=21)
    put(tab.site.store, make_job("runs", name="report", created_at=began))
    claim(tab.site.store, now=began)
    works(tab.site, "runs", 48211, began)
    reached(tab.site, "runs", {"done": 3, "total": 4, "note": "almost"}, datetime.now(UTC))
    since = datetime.now(UTC) - timedelta(hours=3, minutes=7)
    told = Told(os.getpid(), State.READY, since, Rules(concurrency=7))
    write_told(tab.site.store.files, told)
    with attended(tab.site):
        page = tab.open("/admin")
        words = f"The daemon (process {os.getpid()}) has been ready for 3h7m"
        expect(page.get_by_text(f"{words}, with 1 of 7 places taken.")).to_be_visible()
        row = page.get_by_role("row").filter(has_text="runs")
        expect(row.get_by_role("cell")).to_have_text(
            ["runs", "report", "48211", re.compile("^4m2[1-9]s$"), "3 of 4, almost"]
        )
    tab.quiet()


def test_a_server_that_is_gone_is_said(tab: Tab) -> None:
    page = tab.open("/admin/jobs")
    expect(page.get_by_text("live", exact=True)).to_be_visible()
    tab.site.stop()
    expect(page.get_by_text("the server does not answer").first).to_be_visible()
