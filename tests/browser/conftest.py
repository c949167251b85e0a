"""Chromium over a live server of the test's own; skipped, saying so, where something is missing."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Route, sync_playwright

from accounts.models import User

ROOT = Path(__file__).resolve().parent.parent.parent
SCREENSHOTS = ROOT / "test-results"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# Endless async answers: the live server is a synchronous one and would wait for their end.
STREAMS = re.compile(r"/stream/(\?|$)")

# Playwright's synchronous interface keeps an event loop in this thread, which Django would take for an async view.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


def _quiet_stream(route: Route) -> None:
    """A stream with no news."""
    route.fulfill(status=200, content_type="text/event-stream", body="retry: 600000\n\n")


def chromium_path() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = chromium_path()
    if path is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    if not (ROOT / "static" / "vendor" / "tabler.css").exists():
        pytest.skip("static/vendor is empty: npm ci && npm run vendor")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def axe_source() -> str:
    file = ROOT / "node_modules" / "axe-core" / "axe.min.js"
    if not file.exists():
        pytest.skip("axe-core is not installed: npm ci")
    return file.read_text()


class Visit:
    """A page, and what the browser complained of since it was opened."""

    def __init__(self, context: BrowserContext, base_url: str) -> None:
        self.base_url = base_url
        self.complaints: list[str] = []
        self.page: Page = context.new_page()
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def go(self, path: str) -> int:
        """Open a page of the site; its status."""
        self.complaints.clear()
        answer = self.page.goto(self.base_url + path)
        return answer.status if answer else 0

    def shoot(self, name: str) -> None:
        SCREENSHOTS.mkdir(exist_ok=True)
        # Hiding the caret would leave style="" on each input, which htmx would copy and the policy refuse.
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True, caret="initial")

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            place = message.location
            where = f"{place['url']}:{place['lineNumber']}:{place['columnNumber']}"
            self.complaints.append(f"{message.text} (on {self.page.url}, by {where})")


@pytest.fixture
def visit(chromium: Browser, live_server, client) -> Iterator:
    """``visit(person, width=…, color_scheme=…)``: a fresh browser in which this person is signed in."""
    contexts: list[BrowserContext] = []

    def open_browser(person: User | None = None, *, width: int = 1280, color_scheme: str = "light") -> Visit:
        context = chromium.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=color_scheme,
            device_scale_factor=1,
            reduced_motion="reduce",
        )
        contexts.append(context)
        context.route(STREAMS, _quiet_stream)
        if person:
            client.force_login(person)
            cookie = client.cookies["serai_session"].value
            context.add_cookies([{"name": "serai_session", "value": cookie, "url": live_server.url}])
        return Visit(context, live_server.url)

    yield open_browser
    for context in contexts:
        context.close()
