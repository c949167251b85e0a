"""Who did what, on the page of each object and by REST, for everybody who may see that object."""

import pytest

from accounts.models import AuditEvent, create_person
from dashboard import audit
from datacenters.models import Cluster
from jobs import services
from jobs.models import Storage, StorageKind
from tests.unit.projects.conftest import ask, bob, digits, engine, grace, site, vera, who  # noqa: F401  fixtures

pytestmark = pytest.mark.django_db
DEPLOYED = "Bob</strong>\n        <span>deployed</span>"


@pytest.fixture
def bobs(site, digits, ask, engine, bob):  # noqa: F811
    return services.deploy(ask(project=engine.slug, title="Bob's digits"), owner=bob)


@pytest.fixture
def storage(engine, ada):  # noqa: F811
    storage = Storage.objects.create(project=engine, kind=StorageKind.WEBDAV, name="Punched cards")
    AuditEvent.record(ada, "storage.linked", storage)
    return storage


@pytest.fixture
def told(client, who, bearer):  # noqa: F811
    """The actions that REST tells somebody about one object: ``told("vera", thing)``."""

    def ask_for(name: str, thing: object) -> list[str]:
        answer = client.get(f"/api/v1/audit?object={getattr(thing, 'pk', thing)}", headers=bearer(who(name)))
        assert answer.status_code == 200
        return [item["action"] for item in answer.json()["items"]]

    return ask_for


@pytest.mark.parametrize("name", ["ada", "bob", "vera"])
def test_a_deployments_page_says_who_did_what_to_it(client, who, bobs, name):  # noqa: F811
    client.force_login(who(name))
    page = client.get(f"/deployments/{bobs.pk}/").content.decode()
    assert "Who did what" in page
    assert DEPLOYED in page


def test_what_others_did_elsewhere_is_not_told_there(client, ada, bobs, site, digits, ask):  # noqa: F811
    hers = services.deploy(ask(project="engine", title="Ada's own"), owner=ada)
    client.force_login(ada)
    assert DEPLOYED not in client.get(f"/deployments/{hers.pk}/").content.decode()


@pytest.mark.parametrize("name", ["ada", "bob", "vera"])
def test_a_storages_page_says_who_linked_it(client, who, storage, name):  # noqa: F811
    client.force_login(who(name))
    page = client.get(f"/storage/{storage.pk}/").content.decode()
    assert "linked the storage" in page


def test_an_operator_sees_who_changed_a_cluster(client, grace):  # noqa: F811
    garden = Cluster.objects.create(name="garden", address="https://nomad.example.org")
    AuditEvent.record(grace, "cluster.changed", garden)
    client.force_login(create_person("otto", is_staff=True))
    page = client.get("/clusters/garden/").content.decode()
    assert "changed the cluster" in page


def test_an_administrator_sees_what_became_of_an_account(client, who, grace, eve):  # noqa: F811
    client.force_login(grace)
    client.post("/people/eve/switch", {"active": "0"})
    page = client.get("/people/eve/").content.decode()
    assert "switched off the account" in page


@pytest.mark.parametrize(("name", "actions"), [("ada", 1), ("bob", 1), ("vera", 1), ("eve", 0), ("grace", 1)])
def test_rest_tells_of_an_object_whoever_may_see_it(told, bobs, storage, name, actions):
    assert told(name, bobs) == ["deployment.created"] * actions
    assert told(name, storage) == ["storage.linked"] * actions


@pytest.mark.parametrize("object_id", ["nothing", "00000000-0000-0000-0000-000000000000", "1%20OR%201", "٣"])
def test_an_object_that_nobody_has_is_told_of_to_nobody(told, bobs, object_id):
    assert told("bob", object_id) == []


def test_every_kind_of_object_that_has_a_project_is_known_to_the_audit():
    """Else its page would not show who did what, nor `audit?object=` answer its project."""
    assert {"deployment", "project", "storage", "sweep"} <= set(audit.THINGS)
    assert [kind for kind, thing in audit.THINGS.items() if thing.model._meta.model_name != kind] == []
