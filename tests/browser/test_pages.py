"""Every page, found by following the links: no finding of axe but minor ones, no complaint of the browser."""

from collections import Counter
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from django.urls import Resolver404, resolve

from accounts.models import ApiToken, create_person
from tests.browser.site import furnish

PER_VIEW = 2  # pages of one kind that are looked at
LOOKS = {"light": (1280, "light"), "dark": (1280, "dark"), "phone": (390, "light")}
NOTEWORTHY = {"moderate", "serious", "critical"}
AXE_OPTIONS = "{resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice']}"
NO_PAGES = {"healthz", "api-1.0.0:openapi-json", "deployment-log-text", "open-endpoint"}  # for programs, or elsewhere

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]


@pytest.fixture
def grace(db):
    grace = create_person("grace", password="nanoseconds-long", full_name="Grace Hopper", is_superuser=True)
    furnish(grace)
    ApiToken.issue(grace, "laptop")
    return grace


def view_name(path: str) -> str:
    try:
        return resolve(path).view_name or path
    except Resolver404:
        return path


def links_of(visit) -> list[str]:
    hrefs = visit.page.eval_on_selector_all("a[href]:not([download])", "links => links.map(link => link.href)")
    own = [urlsplit(href) for href in hrefs if href.startswith(visit.base_url + "/")]
    return [f"{parts.path}?{parts.query}" if parts.query else parts.path for parts in own]


def crawl(visit, start: str = "/") -> Iterator[tuple[str, int]]:
    """Each page once, at most a few of a kind; the caller looks at the one that is open."""
    waiting, seen, counts = [start], {start}, {}
    while waiting:
        path = waiting.pop(0)
        name = view_name(path.partition("?")[0])
        if name in NO_PAGES or counts.get(name, 0) >= PER_VIEW or path.startswith("/static/"):
            continue
        counts[name] = counts.get(name, 0) + 1
        status = visit.go(path)
        if "text/html" not in visit.page.evaluate("document.contentType"):
            continue
        yield path, status
        new = [link for link in links_of(visit) if link not in seen]
        seen.update(new)
        waiting.extend(new)


def findings(visit, axe_source: str) -> list[str]:
    visit.page.evaluate(axe_source)
    result = visit.page.evaluate(f"axe.run(document, {AXE_OPTIONS})")
    return [
        f"{violation['id']} ({violation['impact']}): {node['html'][:160]} {node['failureSummary'][:200]}"
        for violation in result["violations"]
        if violation["impact"] in NOTEWORTHY
        for node in violation["nodes"]
    ]


def scrolls_sideways(visit) -> bool:
    return visit.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_is_sound(visit, grace, axe_source, look):
    width, scheme = LOOKS[look]
    browser = visit(grace, width=width, color_scheme=scheme)
    wrong: dict[str, list[str]] = {}
    shots: Counter[str] = Counter()
    for path, status in crawl(browser):
        browser.page.wait_for_timeout(150)
        problems = [*browser.complaints, *findings(browser, axe_source)]
        if status != 200:
            problems.insert(0, f"it answers {status}")
        if scrolls_sideways(browser):
            problems.append("it scrolls sideways")
        name = view_name(path.partition("?")[0])
        shots[name] += 1
        browser.shoot(f"{look}-{name}-{shots[name]}")
        if problems:
            wrong[path] = problems
    assert not wrong, "\n".join(f"{path}\n  " + "\n  ".join(problems) for path, problems in wrong.items())


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("path", ["/signin", "/welcome", "/nowhere"])
def test_pages_before_the_door_are_sound(visit, db, axe_source, look, path):
    width, scheme = LOOKS[look]
    browser = visit(width=width, color_scheme=scheme)
    status = browser.go(path)
    complaints = [text for text in browser.complaints if status == 200 or "404" not in text]
    assert not complaints
    assert not findings(browser, axe_source)
    browser.shoot(f"{look}-door-{path[1:]}")
