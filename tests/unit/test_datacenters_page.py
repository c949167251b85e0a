"""The page of datacenters, by who reads it."""

import pytest

from accounts.models import create_person
from tests.unit.jobs.conftest import digits, site  # noqa: F401  fixtures

pytestmark = pytest.mark.django_db
REASON = "only the first administrator deploys there"
SHUT = "You cannot deploy here"


@pytest.fixture
def page(client, site):  # noqa: F811
    """``page(person, one_person=True)``"""

    def read(person, *, one_person: bool) -> str:
        site.one_person = one_person
        site.save()
        client.force_login(person)
        return client.get("/datacenters/").content.decode().replace("&#x27;", "'")

    return read


def test_a_datacenter_for_one_person_says_so_to_the_others(page, ada):
    create_person("root", is_superuser=True)
    seen = page(ada, one_person=True)
    assert SHUT in seen
    assert REASON in seen


def test_its_one_person_reads_it_too_and_is_not_shut_out(page):
    seen = page(create_person("root", is_superuser=True), one_person=True)
    assert SHUT not in seen
    assert REASON in seen


def test_a_datacenter_for_all_says_nothing_of_it(page, ada):
    seen = page(ada, one_person=False)
    assert SHUT not in seen
    assert REASON not in seen


@pytest.mark.parametrize(
    ("address", "current"), [("/datacenters/", "page"), ("/clusters/", "true"), ("/topology/", "true")]
)
def test_pages_beside_it_are_of_its_room(client, db, address, current):
    client.force_login(create_person("root", is_superuser=True))
    seen = " ".join(client.get(address).content.decode().split())
    assert f'href="/datacenters/" aria-current="{current}"' in seen
