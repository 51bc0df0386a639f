"""What must not happen in a browser: scripts of jobs, pages of others, and barriers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from tests.helpers import make_job, put
from tests.web.browser import PAYLOAD, Tab, hostile
from tests.web.conftest import TOKEN, Site

pytestmark = pytest.mark.browser

PAGES = [
    "/admin", "/admin/jobs", "/admin/jobs/dead", "/admin/jobs/good", "/admin/jobs/runs",
    "/admin/schedules", "/admin/schedules/nightly", "/admin/add", "/admin/jobs?status=pending",
]  # fmt: skip
SCHEDULES = '[schedules.nightly]\ncron = "0 3 * * *"\njob = "clean"\ndata = {}\n'


@pytest.fixture
def site(request: pytest.FixtureRequest) -> Site:
    """A server with a schedule, and jobs that have a payload in every field."""
    started: Site = request.getfixturevalue("serve")(SCHEDULES)
    hostile(started)
    return started


def test_what_a_job_says_stays_text(tab: Tab) -> None:
    for path in PAGES:
        page = tab.open(path)
        expect(page.get_by_text("live", exact=True)).to_be_visible()
        if path == "/admin/jobs/dead":
            expect(page.locator("main")).to_contain_text(PAYLOAD)
            expect(page.get_by_label("Traceback").first).to_contain_text("\\u202e\\x1b[31m")
            expect(page.get_by_label("Log", exact=True)).to_contain_text(PAYLOAD)
        if path == "/admin/jobs/good":
            for label in ("Data", "Result", "Command"):
                expect(page.get_by_label(label)).to_contain_text("<script>")
        assert page.locator("main script, main img, main iframe").count() == 0
        assert page.evaluate("window.hurt") is None
        for link in page.locator("a").all():
            assert str(link.get_attribute("href")).startswith(("/admin", "#"))
    tab.quiet()


def test_the_policy_stops_what_would_slip_through(tab: Tab) -> None:
    page = tab.open("/admin/jobs/dead")
    expect(page.get_by_role("heading").first).to_be_visible()
    assert page.evaluate("() => { try { document.body.innerHTML = 'x' } catch { return 1 } }")
    added = """() => {
        const script = document.createElement('script');
        try { script.textContent = 'window.hurt = 1'; document.body.append(script) } catch {}
        const image = document.createElement('img');
        try { image.setAttribute('onerror', 'window.hurt = 1') } catch {}
        image.src = 'https://evil.test/x.png';
        document.body.append(image);
        return fetch('https://evil.test/').then(() => 1, () => 0);
    }"""
    assert page.evaluate(added) == 0
    assert page.evaluate("window.hurt") is None


@pytest.fixture
def elsewhere(site: Site) -> Iterator[str]:
    """A page on another port of this machine that tries all that it can."""
    page = f"""<!doctype html><title>trying</title>
    <iframe name="frame" src="{site.url}/admin"></iframe>
    <form id="form" method="post" target="frame" enctype="text/plain"
        action="{site.url}/api/admin/jobs"><input name='{{"name":"x","a":"' value='"}}'></form>
    <script>
    const body = JSON.stringify({{name: "evil"}});
    const tries = [
      () => fetch("{site.url}/api/admin/jobs"),
      () => fetch("{site.url}/api/admin/jobs", {{headers: {{
        Authorization: "Bearer {TOKEN}"}}}}),
      () => fetch("{site.url}/api/admin/jobs", {{method: "POST", body, mode: "no-cors"}}),
      () => fetch("{site.url}/api/admin/jobs", {{method: "POST", body, headers: {{
        Authorization: "Bearer {TOKEN}", "Content-Type": "application/json"}}}}),
      () => fetch("{site.url}/api/admin/jobs/waits", {{method: "DELETE", headers: {{
        Authorization: "Bearer {TOKEN}"}}}}),
    ];
    (async () => {{
      const read = [];
      for (const one of tries) {{
        try {{ const r = await one(); read.push(r.type === "opaque" ? "" : await r.text()); }}
        catch {{ read.push(""); }}
      }}
      document.getElementById("form").submit();
      setTimeout(() => {{ window.read = read; }}, 300);
    }})();
    </script>""".encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_page_on_another_port_can_do_nothing(tab: Tab, elsewhere: str) -> None:
    put(tab.site.store, make_job("waits"))
    before = {job.id for job in tab.site.store.list()}
    tab.open("/admin/jobs")  # somebody is at work here, in the same browser
    other = tab.page.context.new_page()
    other.goto(elsewhere)
    other.wait_for_function("window.read")
    assert other.evaluate("window.read") == [""] * 5
    assert {job.id for job in tab.site.store.list()} == before
    assert other.frames[1].url.startswith(("chrome-error:", "about:")) or not (
        other.frames[1].locator("nav").count()
    )


def test_a_name_that_was_made_to_lead_here_reads_nothing(tab: Tab) -> None:
    answer = tab.page.goto(f"http://evil.test:{tab.site.port}/admin")
    assert answer is not None
    assert answer.status == 421
    read = tab.page.evaluate(
        f"""fetch("/api/admin/jobs", {{headers: {{Authorization: "Bearer {TOKEN}"}}}})
            .then((r) => r.text())"""
    )
    assert '"status":421' in read
    assert "dead" not in read


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it(site: Site, chromium: Browser, width: int, scheme: str) -> None:
    context = chromium.new_context(
        viewport={"width": width, "height": 844},
        color_scheme=scheme,  # type: ignore[arg-type]  # one of the two
    )
    tab = Tab(site, context)
    found = []
    for path in [*PAGES, "/admin/nothing"]:
        page = tab.open(path)
        expect(page.get_by_text("live", exact=True)).to_be_visible()
        expect(page.locator("main *").first).to_be_visible()
        for violation in Axe().run(page).response["violations"]:
            nodes = [node["html"] for node in violation["nodes"]]
            found.append(f"{path}: {violation['id']}: {violation['help']}: {nodes[:3]}")
        wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
        assert not wide, f"{path} is wider than the screen"
    context.close()
    assert found == []


def test_it_can_be_used_without_a_mouse(tab: Tab) -> None:
    page = tab.open("/admin/jobs")
    expect(page.get_by_role("link", name="dead")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    focused = []
    for _ in range(40):
        page.keyboard.press("Tab")
        focused.append(page.evaluate("document.activeElement.textContent.trim()"))
        if focused[-1] == "dead":
            break
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{tab.site.url}/admin/jobs/dead")
    expect(page.get_by_role("button", name="Delete")).to_be_visible()
    page.get_by_role("button", name="Delete").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Delete this job?")
    expect(dialog.get_by_role("button", name="Leave it")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("button", name="Delete")).to_be_focused()
