"""Machines as operators and others see them, and what operators do with them, by keyboard too."""

import pytest

from accounts.models import create_person
from datacenters.models import Cluster, Node, NodeTest
from jobs.models import Deployment, Status
from tests.browser.site import furnish
from tests.browser.test_pages import LOOKS, findings, scrolls_sideways
from tests.unit.datacenters.border import a_border, says

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]


@pytest.fixture
def grace(db):
    grace = create_person("grace", password="nanoseconds-long", full_name="Grace Hopper", is_superuser=True)
    furnish(grace)
    return grace


@pytest.mark.parametrize("look", LOOKS)
def test_their_pages_are_sound(visit, grace, axe_source, look):
    width, scheme = LOOKS[look]
    browser = visit(grace, width=width, color_scheme=scheme)
    node = Node.objects.get()
    for name, path in (("topology", "/topology/"), ("node", f"/nodes/{node.pk}/"), ("full", "/datacenters/local/")):
        assert browser.go(path) == 200
        browser.page.wait_for_timeout(400)
        browser.shoot(f"{look}-nodes-{name}")
        assert browser.complaints == []
        assert findings(browser, axe_source) == []
        assert not scrolls_sideways(browser)


def test_how_full_it_was_is_drawn(visit, grace):
    browser = visit(grace)
    browser.go("/datacenters/local/")
    browser.page.wait_for_selector("#statistics figure canvas")
    captions = browser.page.eval_on_selector_all("#statistics figcaption", "all => all.map(one => one.textContent)")
    assert captions[0].startswith("CPU cores used: ")
    assert captions[0].endswith(" / 8")
    assert len(captions) == 5


def test_an_operator_empties_a_machine_by_keyboard_and_the_deployment_says_so(visit, grace):
    running = Deployment.objects.get(status=Status.RUNNING)
    Deployment.objects.filter(pk=running.pk).update(allocation_id="a1")
    with a_border() as border:
        border.otherwise = says(200, {"NodeModifyIndex": 1})
        Cluster.objects.update(address=border.address)
        browser = visit(grace)
        browser.go(f"/nodes/{Node.objects.get().pk}/")
        browser.page.get_by_label("What for").fill("New disk")
        browser.page.keyboard.press("Enter")
        browser.page.wait_for_selector("text=is being emptied and takes nothing new")
        browser.shoot("light-nodes-emptied")
        browser.go(f"/deployments/{running.pk}/")
        assert "Its machine caravan-1 is being emptied" in browser.page.inner_text("#status")
        browser.shoot("light-nodes-told")
        browser.go(f"/nodes/{Node.objects.get().pk}/")
        browser.page.get_by_role("button", name="Stop emptying it").press("Enter")
        browser.page.wait_for_selector("text=It takes jobs again")
    assert Node.objects.get().ready


def test_an_operator_asks_for_a_test(visit, grace):
    browser = visit(grace)
    browser.go(f"/nodes/{Node.objects.get().pk}/")
    browser.page.get_by_role("button", name="Test it now").press("Enter")
    browser.page.wait_for_selector("text=It will be tested now")
    assert NodeTest.objects.filter(outcome="waiting").exists()
