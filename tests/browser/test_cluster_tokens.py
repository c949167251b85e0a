"""The page of a cluster's tokens, in each look."""

import pytest

from accounts.models import create_person
from datacenters.models import Cluster, ProjectToken
from tests.browser.test_pages import LOOKS, findings, scrolls_sideways

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]


@pytest.mark.parametrize("look", LOOKS)
def test_the_page_of_tokens_is_sound_and_shows_the_commands(visit, axe_source, look):
    olga = create_person("olga", is_staff=True, full_name="Olga")
    cluster = Cluster.objects.create(name="garden", address="http://127.0.0.1:1")
    ProjectToken.objects.create(cluster=cluster, project=olga.personal_project, token="t" * 36, given_by=olga)
    width, scheme = LOOKS[look]
    browser = visit(olga, width=width, color_scheme=scheme)
    browser.go("/clusters/garden/")
    browser.page.get_by_role("link", name="Tokens").click()
    browser.page.get_by_label("Show the policy and the commands for").select_option("olga")
    browser.page.get_by_role("button", name="Show", exact=True).click()
    assert "nomad acl token create -name serai-olga" in browser.page.locator("#commands").inner_text()
    browser.shoot(f"{look}-project-tokens")
    assert [*browser.complaints, *findings(browser, axe_source)] == []
    assert not scrolls_sideways(browser)
