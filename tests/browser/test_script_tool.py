"""A script that belongs to no module, written in the page; and what an annotation server keeps."""

import pytest
from playwright.sync_api import expect

from jobs import tools
from jobs.models import Deployment, Status
from jobs.tools import mirror
from marketplace.models import Asset
from tests.browser.site import furnish

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def adas(visit, ada):
    furnish(ada)
    mirror.ensure()
    return visit


def serious(seen, axe_source) -> list[str]:
    seen.page.evaluate(axe_source)
    found = seen.page.evaluate("axe.run()")["violations"]
    return [one["id"] for one in found if one["impact"] in ("serious", "critical")]


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (375, "dark")])
def test_a_script_is_written_with_its_packages_and_a_mistake_is_told_at_its_field(adas, ada, axe_source, width, scheme):
    seen = adas(ada, width=width, color_scheme=scheme)
    page = seen.page
    seen.go("/modules/script/deploy/")
    page.get_by_role("button", name="Begin with the example").click()
    written = page.get_by_label("Script (Python)").input_value()
    assert "SERAI_OUTPUT_DIR" in written
    page.get_by_label("Packages").fill("numpy\npandas @ https://example.org/x.whl")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_text("Only packages by their name on PyPI").first).to_be_visible()
    assert page.get_by_label("Script (Python)").input_value() == written
    seen.shoot(f"script-{width}-{scheme}")
    assert serious(seen, axe_source) == []
    page.get_by_label("Packages").fill("numpy\npandas>=2")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_role("heading", name="Python script")).to_be_visible()
    asked = Deployment.objects.order_by("-created").first().request
    assert (asked["options"], asked["script"]) == ({"packages": "numpy\npandas>=2"}, written)
    seen.shoot(f"script-asked-{width}-{scheme}")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_login_of_an_annotation_server_and_the_way_to_its_snapshots(adas, ada, axe_source):
    cvat = Deployment.objects.create(
        project=ada.personal_project, owner=ada, asset=Asset.objects.get(slug="cvat"), asset_slug="cvat",
        asset_kind="tool", title="Labels", status=Status.RUNNING,
        request={"resources": {"cpu_cores": 2.0, "memory_mb": 6500, "disk_mb": 10000, "gpus": 0},
                 "options": {"restore": "none"}, "storages": [], "arguments": {}},
    )  # fmt: skip
    seen = adas(ada)
    seen.go(f"/deployments/{cvat.pk}/")
    assert serious(seen, axe_source) == []
    seen.shoot("cvat-deployment")
    seen.page.get_by_role("link", name="Snapshots").click()
    expect(seen.page.get_by_text("No storage that can be written is attached")).to_be_visible()
    assert serious(seen, axe_source) == []
    tools.secrets_of(cvat)
    seen.go(f"/deployments/{cvat.pk}/")
    seen.page.get_by_role("button", name="Show its login").click()
    assert seen.page.get_by_label("Password").input_value() == tools.secrets_of(cvat)["CVAT_PASSWORD"]
    assert serious(seen, axe_source) == []
    seen.shoot("cvat-login")
