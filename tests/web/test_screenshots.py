"""Each page at two widths, dark and light: it fits, and pictures of it are kept.

The pictures go to artefacts/screenshots/, for whoever changes how a page looks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.web.browser import Tab
from tests.web.conftest import TOKEN, Site
from tests.web.crew import attended
from tests.web.showcase import CONFIG, busy

pytestmark = pytest.mark.browser

FOLDER = Path(__file__).parents[2] / "artefacts" / "screenshots"

#: What is wider than the window, but for what scrolls by itself. In the page, as a script.
TOO_WIDE = """() => {
  const scrolls = (element) => element && (
    ["auto", "scroll", "hidden"].includes(getComputedStyle(element).overflowX)
    || scrolls(element.parentElement));
  const wide = [...document.querySelectorAll("body *")].filter((element) => {
    const box = element.getBoundingClientRect();
    return box.width && (box.right > innerWidth + 1 || box.left < -1)
      && !element.closest(".skip") && !scrolls(element.parentElement);
  });
  return wide.map((element) => element.outerHTML.slice(0, 200));
}"""

#: Cells whose text is laid over its neighbours.
SPILT = """() => [...document.querySelectorAll("td, th, dd, dt, button, .button, .tile")]
  .filter((one) => one.clientWidth && one.scrollWidth > one.clientWidth + 1
    && getComputedStyle(one).overflowX === "visible")
  .map((one) => one.outerHTML.slice(0, 200))"""


def filled(tmp_path_factory: pytest.TempPathFactory, name: str, config: str) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp(name)
    folder.chmod(0o755)
    (folder / "jobs.toml").write_text(config)
    (folder / "jobs.toml").chmod(0o644)
    with ExitStack() as stack:
        yield Site(folder, stack)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A store as after a busy day, with a daemon that answers."""
    for site in filled(tmp_path_factory, "full", CONFIG):
        busy(site)
        with attended(site):
            yield site


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A store with nothing in it."""
    yield from filled(tmp_path_factory, "empty", "")


@pytest.fixture(params=[1280, 390])
def width(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def window(chromium: Any, width: int) -> Iterator[Any]:
    """A new window, in which nothing moves by itself."""
    context = chromium.new_context(
        viewport={"width": width, "height": 844 if width < 500 else 860},
        reduced_motion="reduce",
    )
    yield context
    context.close()


def keep(page: Page, name: str, width: int) -> None:
    """Assert that a page fits, and keep pictures of it, light and dark."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    page.evaluate("document.fonts.ready")
    whole = not page.locator("dialog[open]").count()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.screenshot(path=FOLDER / f"{name}-{width}-{scheme}.png", full_page=whole)
    assert page.evaluate(TOO_WIDE) == []
    assert page.evaluate(SPILT) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def ready(page: Page, words: str) -> None:
    """Wait for what says that a page has drawn itself, and that its stream is open."""
    expect(page.get_by_text(words).filter(visible=True).first).to_be_visible()
    expect(page.get_by_text("live", exact=True)).to_be_visible()


PAGES = [
    ("overview", "/admin", "running0k3v9x0q2"),
    ("jobs", "/admin/jobs", "waitsforothers"),
    ("job", "/admin/jobs/failedcharge2xq7", "giving up"),
    ("running", "/admin/jobs/running0k3v9x0q2", "invoices of March"),
    ("pending", "/admin/jobs/waitsforothers", "It comes after"),
    ("missing", "/admin/jobs/nothing", "There is no job"),
    ("schedules", "/admin/schedules", "sync-crm"),
    ("schedule", "/admin/schedules/nightly-report", "No tick has come yet."),
    ("add", "/admin/add", "resize-image"),
]


@pytest.mark.parametrize(("name", "path", "words"), PAGES, ids=[page[0] for page in PAGES])
def test_a_page(full: Site, window: Any, width: int, name: str, path: str, words: str) -> None:
    tab = Tab(full, window)
    page = tab.open(path)
    ready(page, words)
    keep(page, name, width)
    assert [line for line in tab.said if "404" not in line] == []


def test_a_form_that_is_filled_in(full: Site, window: Any, width: int) -> None:
    page = Tab(full, window).open("/admin/add")
    page.get_by_role("button", name="send-email").click()
    page.get_by_text("Options").click()
    page.get_by_label("Data (JSON)").fill('{"to": ')
    keep(page, "add-filled", width)


def test_questions(full: Site, window: Any, width: int) -> None:
    page = Tab(full, window).open("/admin/jobs")
    ready(page, "waitsforothers")
    page.get_by_role("button", name="Clean up").click()
    expect(page.get_by_text("would go.")).to_be_visible()
    keep(page, "clean-up", width)
    page.get_by_role("button", name="Leave it").click()
    page.get_by_label("Select done000000000039").check()
    page.get_by_label("Select failedcharge2xq7").check()
    keep(page, "selected", width)
    page.get_by_role("toolbar").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("2 jobs would be deleted")).to_be_visible()
    keep(page, "bulk", width)


def test_a_fault_in_the_filter(full: Site, window: Any, width: int) -> None:
    page = Tab(full, window).open("/admin/jobs?filter=nonsense:1")
    expect(page.locator("#filter-fault")).to_contain_text("nonsense")
    keep(page, "fault", width)


def test_a_token_is_asked_for(empty: Site, window: Any, width: int) -> None:
    page = Tab(empty, window).page
    page.goto(f"{empty.url}/admin")
    page.get_by_label("Token", exact=True).fill(f"not {TOKEN}")
    keep(page, "token", width)
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_text("The token is wrong.")).to_be_visible()
    keep(page, "token-wrong", width)


NOTHING = [
    ("overview", "/admin", "Nothing has run"),
    ("jobs", "/admin/jobs", "There are no jobs yet."),
    ("schedules", "/admin/schedules", "There are no schedules yet."),
    ("add", "/admin/add", "No daemon has run here yet"),
]


@pytest.mark.parametrize(("name", "path", "words"), NOTHING, ids=[page[0] for page in NOTHING])
def test_a_page_with_nothing_on_it(
    empty: Site, window: Any, width: int, name: str, path: str, words: str
) -> None:
    tab = Tab(empty, window)
    page = tab.open(path)
    ready(page, words)
    keep(page, f"empty-{name}", width)
    tab.quiet()
