"""The page of a federated server in a browser: sound in every look; a client is added and taken away by clicking."""

import zipfile

import pytest
from django.utils import timezone

from accounts.models import User, create_person
from jobs.federation import clients
from jobs.models import Deployment, FederationClient, Status, as_json
from jobs.requests import DeployRequest
from jobs.tools import mirror
from marketplace.models import Asset
from tests.browser.site import furnish
from tests.browser.test_pages import LOOKS, findings

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

FIGURES = {
    "train": {"train_loss": 2.3, "best alone": 0.495},
    "evaluate": {"accuracy": 0.904},
    "joint": {"accuracy": 0.89},
}
ROUNDS = [{"round": n, "asked": 2, "answered": 2, "seconds": 36.2, **FIGURES} for n in (1, 2)]


@pytest.fixture
def grace(db) -> User:
    grace = create_person("grace", password="nanoseconds-long", full_name="Grace Hopper", is_superuser=True)
    furnish(grace)
    return grace


@pytest.fixture
def server(grace) -> Deployment:
    mirror.ensure()
    project, options = grace.personal_project, {"rounds": 3, "start_clients": 2}
    server = Deployment.objects.create(
        project=project, owner=grace, asset=Asset.objects.get(slug="flower"), asset_slug="flower", asset_kind="tool",
        title="Three hospitals", status=Status.RUNNING, healthy=True,
        datacenter=Deployment.objects.exclude(datacenter=None).first().datacenter,
        request=as_json(DeployRequest(asset="flower", title="Three hospitals", project=project.slug, options=options)),
        endpoints=[{"label": "fleet", "host": "127.0.0.1", "port": 9, "healthy": True}],
        result={"phase": "running", "problem": "", "rounds": ROUNDS, "now": {"began": 3, "asked": 2}},
    )  # fmt: skip
    for name in ("Hospital A", "Hospital B", "Hospital C"):
        clients.add_outside(server, grace, name=name)
    now = timezone.now()
    FederationClient.objects.filter(name="Hospital A").update(
        last_seen=now, details={"status": "online"}, node_id="11844081442825033634"
    )
    FederationClient.objects.filter(name="Hospital B").update(revoked=now)
    return server


@pytest.mark.parametrize("look", LOOKS)
def test_its_pages_are_sound(visit, grace, server, axe_source, look):
    width, scheme = LOOKS[look]
    browser = visit(grace, width=width, color_scheme=scheme)
    pages = {"": "server", "clients/outside": "add-outside", "clients/inside": "add-inside"}
    for path, name in pages.items():
        assert browser.go(f"/deployments/{server.pk}/{path}") == 200
        browser.page.wait_for_timeout(500)
        browser.shoot(f"{look}-federation-{name}")
        assert findings(browser, axe_source) == []
        assert browser.complaints == []
        assert browser.page.evaluate(
            "document.querySelector('main').scrollWidth <= document.documentElement.clientWidth"
        )


def test_a_client_is_added_with_its_bundle_and_taken_away(visit, grace, server, tmp_path):
    browser = visit(grace)
    browser.go(f"/deployments/{server.pk}/")
    page = browser.page
    page.get_by_role("link", name="Add a client elsewhere").click()
    page.get_by_label("Name").fill("Hospital D")
    with page.expect_download() as started:
        page.get_by_role("button", name="Add it and download the bundle").click()
    started.value.save_as(tmp_path / "bundle.zip")
    with zipfile.ZipFile(tmp_path / "bundle.zip") as packed:
        assert {"README.txt", "node"} <= set(packed.namelist())
    page.get_by_role("link", name="Back to the server").click()
    row = page.locator("#clients .row-item", has_text="Hospital D")
    row.get_by_text("Take away").first.click()
    row.get_by_role("button", name="Take away").click()
    page.locator("#clients .row-item", has_text="Hospital D").get_by_text("taken away").wait_for()
    assert FederationClient.objects.get(server=server, name="Hospital D").revoked
