"""Where something runs and why, in a real browser: the plan beside the form, energy and cost, wishes, the queue."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from accounts.models import create_person
from datacenters.models import CarbonReading, Cluster, Datacenter, Footprint, Node
from jobs.models import Deployment, DeploymentKind, Preference, Status, Storage, StorageKind, as_json
from jobs.requests import DeployRequest
from tests.browser.site import GPU, furnish
from tests.browser.test_pages import LOOKS, findings, scrolls_sideways

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]


@pytest.fixture
def grace(db):
    grace = create_person("grace", password="nanoseconds-long", full_name="Grace Hopper", is_superuser=True)
    furnish(grace)
    return grace


@pytest.fixture
def wind(grace) -> Datacenter:
    """A second, greener place beside the furnished one, with a day of measurements."""
    cluster = Cluster.objects.create(name="north", address="http://127.0.0.1:1", reached=timezone.now(), local=True)
    place = Datacenter.objects.create(name="wind", title="Wind", cluster=cluster, nomad_name="w", offers_packages=True)
    sizes = {"cpu_cores": 4, "cpu_mhz": 4_000, "memory_mb": 8_000, "disk_mb": 90_000}
    sizes |= {"used_memory_mb": 5_000, "devices": [GPU]}  # as the other one, and fuller
    Node.objects.create(id=uuid.uuid4(), datacenter=place, name="w1", ready=True, drivers=["raw_exec"], **sizes)
    Footprint.objects.create(datacenter=place, country="DK", pue=1.15, carbon_source="service", cost="low")
    now = timezone.now()
    for quarter in range(96):
        at, grams = now - timedelta(minutes=15 * quarter), 60 + 40 * ((quarter // 12) % 3)
        CarbonReading.objects.create(datacenter=place, at=at, grams_per_kwh=grams, source="carbon.example.org")
    for other in Datacenter.objects.exclude(pk=place.pk):
        Footprint.objects.create(datacenter=other, carbon_source="constant", carbon_grams=320, cost="high")
    return place


@pytest.fixture
def waiting(grace) -> Deployment:
    request = as_json(DeployRequest(asset="digits", title="Digits", project=grace.personal_project.slug))
    return Deployment.objects.create(
        project=grace.personal_project,
        owner=grace,
        asset_slug="digits",
        title="Digits, more epochs",
        kind=DeploymentKind.BATCH,
        request=request,
        status=Status.QUEUED,
        held_since=timezone.now(),
        reason="It waits in the queue of Grace Hopper, at place 1 of 1.",
    )


@pytest.mark.parametrize("look", LOOKS)
def test_pages_about_places_are_sound(visit, grace, wind, waiting, axe_source, look):
    width, scheme = LOOKS[look]
    browser = visit(grace, width=width, color_scheme=scheme)
    storage = Storage.objects.create(project=grace.personal_project, kind=StorageKind.WEBDAV, name="Files")
    wrong = []
    for name, path in {
        "deploy": "/modules/digits/deploy/",
        "datacenter": "/datacenters/wind/",
        "footprint": "/datacenters/wind/footprint",
        "storage-place": f"/storage/{storage.pk}/place",
        "profile": "/profile",
        "queue": f"/projects/{grace.personal_project.slug}/queue",
        "waiting": f"/deployments/{waiting.pk}/",
    }.items():
        assert browser.go(path) == 200, path
        browser.page.wait_for_timeout(200)
        browser.shoot(f"{look}-placing-{name}")
        wrong += [f"{path}: {problem}" for problem in (*browser.complaints, *findings(browser, axe_source))]
        wrong += [f"{path} scrolls sideways"] if scrolls_sideways(browser) else []
    assert not wrong, "\n".join(wrong)


def test_what_counts_most_changes_the_plan_beside_the_form(visit, grace, wind):
    browser = visit(grace)
    browser.go("/modules/digits/deploy/")
    plan = browser.page.locator(".plan-list li")
    first = plan.first.inner_text()
    assert not first.startswith("wind")
    browser.page.get_by_text("Resources and place").click()
    browser.page.get_by_label("What counts most").select_option("green")
    expect(plan.first).to_contain_text("g of CO₂ for each kWh of work")
    browser.go("/profile")
    browser.page.get_by_label("What counts most where several datacenters could run something").select_option("green")
    browser.page.locator("form[action='/profile/favour'] button").click()
    browser.page.wait_for_url("**/profile")
    assert Preference.objects.get(person=grace).favour == "green"
    browser.go("/modules/digits/deploy/")
    assert plan.first.inner_text().startswith("wind")
