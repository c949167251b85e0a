"""The form of a training in a browser: the field for scripts, and several values at once."""

import pytest
from playwright.sync_api import expect

from accounts.models import create_person
from jobs.models import Deployment, Sweep
from tests.browser.site import furnish
from tests.browser.test_pages import LOOKS, findings, scrolls_sideways

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]
FORM = "/modules/digits/train/"


@pytest.fixture
def grace(db):
    grace = create_person("grace", password="nanoseconds-long", full_name="Grace Hopper", is_superuser=True)
    furnish(grace)
    return grace


@pytest.fixture
def form(visit, grace):
    """The training's form with the field for scripts open."""
    browser = visit(grace)
    browser.go(FORM)
    browser.page.get_by_text("Run a script of yours instead").click()
    return browser


def script(browser):
    return browser.page.locator("#id_script")


def test_lines_are_numbered_and_indents_kept(form):
    script(form).click()
    form.page.keyboard.type("for x in y:\nprint(x)\n")
    expect(script(form)).to_have_value("for x in y:\n    print(x)\n    ")
    expect(form.page.locator(".editor-lines span")).to_have_text(["1", "2", "3"])
    assert not form.complaints


def test_tab_indents_and_shift_tab_takes_it_back_for_all_chosen_lines(form):
    script(form).fill("a\nb\n\nc")
    script(form).press("Control+a")
    script(form).press("Tab")
    expect(script(form)).to_have_value("    a\n    b\n\n    c")
    script(form).press("Shift+Tab")
    expect(script(form)).to_have_value("a\nb\n\nc")
    script(form).press("End")
    script(form).press("Tab")
    expect(script(form)).to_have_value("a\nb\n\nc   ")
    script(form).press("Control+z")
    expect(script(form)).to_have_value("a\nb\n\nc")


def test_the_keyboard_leaves_the_field_after_escape(form):
    script(form).click()
    form.page.keyboard.press("Escape")
    form.page.keyboard.press("Tab")
    expect(script(form)).not_to_be_focused()
    script(form).click()
    form.page.keyboard.press("Escape")
    form.page.keyboard.press("Shift+Tab")
    expect(script(form)).not_to_be_focused()
    expect(script(form)).to_have_value("")


def test_the_example_is_one_click_away_and_is_sent_as_it_stands(form):
    form.page.get_by_role("button", name="Begin with the example").click()
    text = script(form).input_value()
    assert "SERAI_OUTPUT_DIR" in text
    form.page.get_by_role("button", name="Start training").click()
    form.page.wait_for_url("**/deployments/*/")
    assert Deployment.objects.latest("created").request["script"] == text


def test_several_values_are_counted_as_they_are_typed_and_become_a_sweep(visit, grace):
    browser = visit(grace)
    browser.go(FORM)
    browser.page.get_by_text("Several values at once (a sweep)").click()
    browser.page.locator("#id_values-epochs").fill("5, 10")
    browser.page.locator("#id_values-learning_rate").fill("0.01\n0.1")
    expect(browser.page.locator("#beside")).to_contain_text("4 trainings come out of this, at most 2 at once.")
    browser.page.get_by_role("button", name="Start training").click()
    browser.page.wait_for_url("**/sweeps/*/")
    expect(browser.page.get_by_text("waits its turn").first).to_be_visible()
    assert len(Sweep.objects.latest("created").variants) == 4
    browser.page.get_by_role("button", name="Stop all of it").click()
    expect(browser.page.get_by_text("never started").first).to_be_visible()
    assert not browser.complaints


@pytest.mark.parametrize("look", LOOKS)
def test_the_form_is_sound_with_all_of_it_open(visit, grace, axe_source, look):
    width, scheme = LOOKS[look]
    browser = visit(grace, width=width, color_scheme=scheme)
    browser.go(FORM)
    for fold in browser.page.locator("details.fold > summary").all():
        fold.click()
    browser.page.get_by_role("button", name="Begin with the example").click()
    browser.page.wait_for_timeout(600)
    browser.shoot(f"{look}-train-all-open")
    assert not browser.complaints
    assert not findings(browser, axe_source)
    assert not scrolls_sideways(browser)
