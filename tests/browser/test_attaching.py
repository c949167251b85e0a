"""Storages and datasets on the form in a browser: rows by keyboard and phone, and with nothing lost."""

import pytest
from playwright.sync_api import expect

from accounts.models import create_person
from datacenters.models import Datacenter
from jobs.models import Deployment, Storage, StorageKind
from tests.browser.site import furnish
from tests.browser.test_pages import LOOKS, findings, scrolls_sideways

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]
FORM = "/modules/digits/deploy/"


@pytest.fixture
def grace(db):
    grace = create_person("grace", password="nanoseconds-long", full_name="Grace Hopper", is_superuser=True)
    furnish(grace)
    Datacenter.objects.update(copies_storages=True, mounts_storages=True)
    Storage.objects.create(project=grace.personal_project, kind=StorageKind.WEBDAV, name="Photos")
    return grace


def opened(browser):
    browser.go(FORM)
    browser.page.get_by_text("Storages and datasets").click()
    return browser.page


def test_rows_are_filled_added_and_sent(visit, grace):
    browser = visit(grace)
    page = opened(browser)
    page.locator("[name=storages-0-storage]").select_option(label="Photos (Grace Hopper)")
    page.locator("[name=storages-0-path]").fill("2026/june")
    page.get_by_role("button", name="Another storage").click()
    expect(page.locator("[name=storages-1-storage]")).to_be_visible()
    expect(page.locator("[name=storages-0-path]")).to_have_value("2026/june")
    page.locator("[name=datasets-0-source]").fill("10.5281/zenodo.1234567")
    page.get_by_role("button", name="Deploy", exact=True).click()
    page.wait_for_url("**/deployments/*/**")
    asked = Deployment.objects.latest("created").request
    assert [(one["path"], one["target"]) for one in asked["storages"]] == [("2026/june", "photos")]
    assert asked["datasets"][0]["target"] == "record-1234567"
    expect(page.locator("#attachments")).to_contain_text("not attached yet")
    assert not browser.complaints


def test_enter_deploys_and_adds_no_row(visit, grace):
    before = Deployment.objects.count()
    page = opened(visit(grace))
    page.locator("[name=title]").press("Enter")
    page.wait_for_url("**/deployments/*/**")
    assert Deployment.objects.count() == before + 1


@pytest.mark.parametrize("look", LOOKS)
def test_the_rows_are_well_made_in_each_look(visit, grace, axe_source, look):
    width, scheme = LOOKS[look]
    browser = visit(grace, width=width, color_scheme=scheme)
    opened(browser)
    assert findings(browser, axe_source) == []
    assert not scrolls_sideways(browser)
    browser.shoot(f"attach-{look}")
