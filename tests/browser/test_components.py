"""Components by themselves, and what our scripts do."""

import re

import pytest
from playwright.sync_api import expect

from accounts.models import SigninCode
from tests.browser.test_pages import LOOKS, findings, scrolls_sideways

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.browser.gallery")]


@pytest.mark.parametrize("look", LOOKS)
def test_every_component_is_sound(visit, ada, axe_source, look):
    width, scheme = LOOKS[look]
    browser = visit(ada, width=width, color_scheme=scheme)
    browser.go("/gallery/")
    browser.page.locator(".menu-button").click()
    browser.shoot(f"{look}-gallery")
    assert not browser.complaints
    assert not findings(browser, axe_source)
    assert not scrolls_sideways(browser)


def test_a_page_with_a_mistake_is_noticed(visit, ada, axe_source):
    browser = visit(ada)
    browser.go("/gallery/")
    browser.page.evaluate("document.body.append(document.createElement('img'))")
    browser.page.evaluate("document.body.setAttribute('style', 'color: red')")  # which the policy forbids
    assert any("image-alt" in finding for finding in findings(browser, axe_source))
    assert any("Content Security Policy" in complaint for complaint in browser.complaints)


def test_a_change_refreshes_the_fragments_that_show_it_and_no_others(visit, ada):
    browser = visit(ada)
    browser.go("/gallery/live?mood=well")
    expect(browser.page.locator("#one")).to_have_text("new")
    expect(browser.page.locator("#all")).to_have_text("new")
    expect(browser.page.locator("#two")).to_have_text("old")
    expect(browser.page.locator("#live-state")).to_be_hidden()


def test_a_change_that_comes_while_an_answer_is_on_its_way_is_not_lost(visit, ada):
    """Else a training that ends quickly would be shown as running until the page is loaded again."""
    browser = visit(ada)
    browser.go("/gallery/live?mood=busy")
    expect(browser.page.locator("#slow")).to_have_text("2", timeout=10_000)


def test_a_lost_stream_is_said_on_the_page(visit, ada):
    browser = visit(ada)
    browser.go("/gallery/live?mood=gone")
    expect(browser.page.locator("#live-state")).to_be_visible(timeout=8_000)
    browser.shoot("light-not-live")


def test_a_request_that_fails_says_so(visit, ada):
    browser = visit(ada)
    browser.go("/gallery/live?mood=well")
    browser.page.locator("#break").click()
    expect(browser.page.locator("#messages")).to_contain_text("did not work")


def test_a_welcome_link_lets_ada_in_and_leaves_no_code_behind(visit, ada):
    browser = visit()
    code = SigninCode.issue(ada)
    browser.page.goto(f"{browser.base_url}/welcome#{code}")
    browser.page.wait_for_url(f"{browser.base_url}/")
    assert code not in browser.page.evaluate("JSON.stringify(performance.getEntriesByType('navigation'))")
    browser.page.go_back()
    assert code not in browser.page.url


def test_tabs_work_by_keyboard(visit, ada):
    browser = visit(ada)
    browser.go("/gallery/")
    browser.page.get_by_role("tab", name="curl").focus()
    browser.page.keyboard.press("ArrowRight")
    expect(browser.page.get_by_role("tab", name="Python")).to_be_focused()
    expect(browser.page.get_by_text("import httpx")).to_be_visible()


def test_the_copy_button_copies(visit, ada):
    browser = visit(ada)
    browser.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    browser.go("/gallery/")
    browser.page.locator("[data-copy=secret]").click()
    expect(browser.page.locator("[data-copy=secret]")).to_contain_text("Copied")
    assert browser.page.evaluate("navigator.clipboard.readText()") == "serai_abc"
    browser.page.locator(".snippets .copy-button").first.click()
    assert browser.page.evaluate("navigator.clipboard.readText()").startswith("curl -X POST")


def test_a_chosen_theme_stays_without_a_flash(visit, ada):
    browser = visit(ada, color_scheme="light")
    browser.go("/gallery/")
    browser.page.locator(".menu-button").click()
    browser.page.get_by_role("button", name="Dark").click()
    expect(browser.page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    answer = browser.page.goto(f"{browser.base_url}/profile")
    assert 'data-bs-theme="dark"' in answer.text()  # already in the page as the server sends it


def test_the_keyboard_reaches_the_content_first(visit, ada):
    browser = visit(ada)
    browser.go("/gallery/")
    browser.page.keyboard.press("Tab")
    expect(browser.page.locator(".skip-link")).to_be_focused()
    browser.page.keyboard.press("Enter")
    expect(browser.page.locator("#main")).to_be_focused()


def test_escape_closes_the_menu_and_goes_back_to_its_button(visit, ada):
    browser = visit(ada)
    browser.go("/gallery/")
    browser.page.locator(".menu-button").click()
    browser.page.get_by_role("link", name=re.compile("Profile")).focus()
    browser.page.keyboard.press("Escape")
    expect(browser.page.locator(".menu-box")).to_be_hidden()
    expect(browser.page.locator(".menu-button")).to_be_focused()


def test_a_new_person_sees_the_way_in_each_look(visit, ada, axe_source):
    for look, (width, scheme) in LOOKS.items():
        browser = visit(ada, width=width, color_scheme=scheme)
        browser.go("/")
        browser.shoot(f"{look}-home-new")
        assert not findings(browser, axe_source)
