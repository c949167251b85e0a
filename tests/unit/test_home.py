"""The first page, by what a person does."""

import pytest

from accounts.models import Level, create_person
from datacenters.models import Cluster, Datacenter
from jobs.models import Deployment, DeploymentEvent, Status
from marketplace.models import Condition, Kind, Module, Source, SourceKind

pytestmark = pytest.mark.django_db


@pytest.fixture
def local(db) -> Datacenter:
    cluster = Cluster.objects.create(name="local", address="http://127.0.0.1:4646", local=True)
    return Datacenter.objects.create(name="local", cluster=cluster, nomad_name="dc1", offers_packages=True)


@pytest.fixture
def source(db) -> Source:
    return Source.objects.create(slug="demo", title="Demo", kind=SourceKind.FOLDER, location="demo")


def module(source, slug, **fields) -> Module:
    return Module.objects.create(slug=slug, kind=Kind.MODULE, source=source, origin=slug, title=slug, **fields)


def deployment(owner, **fields) -> Deployment:
    return Deployment.objects.create(
        project=owner.personal_project, owner=owner, asset_slug="digits", title="My digits", request={}, **fields
    )


def home(client, person):
    client.force_login(person)
    return client.get("/")


def test_a_stranger_is_asked_to_sign_in(client):
    assert client.get("/").headers["Location"] == "/signin?next=/"


def test_a_new_person_is_shown_the_way(client, ada):
    page = home(client, ada)
    assert page.context["is_new"]
    assert "Welcome, Ada" in page.content.decode()


def test_only_modules_that_a_datacenter_here_can_run_are_offered(client, ada, local, source):
    module(source, "digits", package="/srv/demo/digits")
    module(source, "plants", docker_image="example/plants")
    module(source, "words")
    assert [asset.slug for asset in home(client, ada).context["featured"]] == ["digits"]


def test_a_broken_module_is_not_offered(client, ada, local, source):
    module(source, "digits", package="/srv/demo/digits", condition=Condition.NEEDS_REPAIR)
    assert home(client, ada).context["featured"] == []


def test_without_a_datacenter_the_page_says_what_to_expect(client, ada, source):
    module(source, "digits", package="/srv/demo/digits")
    assert "Nothing can run here yet" in home(client, ada).content.decode()


def test_whoever_runs_something_sees_it_and_what_happened(client, ada):
    mine = deployment(ada, status=Status.RUNNING)
    DeploymentEvent.objects.create(deployment=mine, verb="became healthy", actor=ada)
    page = home(client, ada).content.decode()
    assert "My digits" in page
    assert "became healthy" in page


def test_bob_sees_what_runs_in_adas_project_and_eve_does_not(client, ada, bob, eve):
    deployment(ada, status=Status.RUNNING)
    assert "My digits" in home(client, bob).content.decode()
    assert "My digits" not in home(client, eve).content.decode()


def test_what_ended_is_not_said_to_run(client, ada):
    deployment(ada, status=Status.FAILED)
    assert not home(client, ada).context["running"]


@pytest.mark.parametrize(
    ("fields", "capability", "shown"),
    [
        ({"level": Level.BASIC}, "administer", False),
        ({"level": Level.BASIC, "is_superuser": True}, "administer", True),
    ],
)
def test_the_ways_on_fit_what_a_person_may_do(client, fields, capability, shown):
    doors = home(client, create_person("carl", **fields)).context["doors"]
    assert (capability in {door.capability for door in doors}) is shown


def test_the_site_says_on_every_page_that_it_is_one_machine_and_what_is_made_up(client, ada, local):
    assert "local datacenter" in home(client, ada).content.decode()
    assert "simulated devices" not in home(client, ada).content.decode()
    Datacenter.objects.update(simulated_devices=True)
    assert "simulated devices" in client.get("/profile").content.decode()


def test_a_site_without_the_local_datacenter_says_nothing_of_it(client, ada):
    assert "local datacenter" not in home(client, ada).content.decode()


def test_the_page_takes_the_same_few_queries_however_much_runs(client, ada, django_assert_max_num_queries):
    for _ in range(30):
        row = deployment(ada, status=Status.RUNNING)
        DeploymentEvent.objects.create(deployment=row, verb="queued", actor=ada)
    client.force_login(ada)
    with django_assert_max_num_queries(14):
        client.get("/")


def test_how_far_an_installation_is_pushes_no_turn_out_of_what_happened_lately(client, ada):
    row = deployment(ada, status=Status.STARTING)
    row.record("placed")
    for _percent in range(20):
        row.record("progressed", "installing")
    assert [event.verb for event in home(client, ada).context["recent"]] == ["placed"]
