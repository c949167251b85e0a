"""What the planner is told from our rows: wishes, where storages lie, how long others waited."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from datacenters.models import Cluster, Datacenter, Footprint, Node
from jobs import planning, services, storages, waits
from jobs.models import Deployment, Favour, Status, Storage, StorageKind
from jobs.placement import ANY_GPU, Wish
from jobs.requests import ResourceRequest, StorageRequest, request_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def second(site) -> Datacenter:
    """A smaller place, greener than the first."""
    cluster = Cluster.objects.create(name="upc", address="http://127.0.0.1:1", reached=timezone.now(), local=True)
    place = Datacenter.objects.create(name="upc", cluster=cluster, nomad_name="upc", offers_packages=True)
    sizes = {"cpu_cores": 2, "cpu_mhz": 2_000, "memory_mb": 4_000, "disk_mb": 50_000, "used_cpu_mhz": 500}
    Node.objects.create(id=uuid.uuid4(), datacenter=place, name="two", ready=True, drivers=["raw_exec"], **sizes)
    Footprint.objects.create(datacenter=site, carbon_source="constant", carbon_grams=400)
    Footprint.objects.create(datacenter=place, carbon_source="constant", carbon_grams=30, country="ES")
    return place


def best(request, asset, person) -> str:
    return planning.plan_for(request, asset, person).choices[0].datacenter


def test_a_request_beats_the_person_who_beats_the_project(ask, ada, site):
    project = ada.personal_project
    assert planning.wish_of(ask(), ada) is Wish.FAST
    planning.set_favour(project, Favour.CHEAP)
    assert planning.wish_of(ask(), ada) is Wish.CHEAP
    planning.set_favour(ada, Favour.GREEN)
    assert planning.wish_of(ask(), ada) is Wish.GREEN
    assert planning.wish_of(ask(favour="near"), ada) is Wish.NEAR
    planning.set_favour(ada, None)
    assert planning.favour_of(ada) == ""
    assert planning.wish_of(ask(), ada) is Wish.CHEAP


def test_whatever_people_may_choose_the_planner_knows():
    assert {Wish(choice) for choice in Favour.values} == set(Wish)


def test_who_favours_green_is_sent_to_the_greener_place_and_told_why(ask, ada, digits, second):
    assert best(ask(), digits, ada) == "ifca"
    planning.set_favour(ada, Favour.GREEN)
    deployment = services.deploy(ask(), owner=ada)
    assert deployment.datacenter == second
    assert request_of(deployment.request).favour == ""


def test_a_storage_that_lies_at_a_datacenter_draws_its_work_there(ask, ada, digits, second):
    files = Storage.objects.create(
        project=ada.personal_project, kind=StorageKind.WEBDAV, name="Files", datacenter=second
    )
    attached = ask(favour="near", storages=(StorageRequest(str(files.pk)), StorageRequest("no id at all")))
    around = planning.around(attached, ada)
    assert [(spot.name, spot.datacenter, spot.country) for spot in around.spots] == [("Files", "upc", "ES")]


def test_homes_lie_where_serai_itself_runs(ask, ada, digits, second, settings):
    settings.SERAI_HOMES_URL = "http://127.0.0.1:1"
    home = storages.home_of(ada.personal_project)
    attached = ask(storages=(StorageRequest(str(home.pk)),))
    settings.HOME_DATACENTER = "upc"
    assert planning.around(attached, ada).spots[0].datacenter == "upc"
    settings.HOME_DATACENTER = ""
    assert planning.around(attached, ada).spots[0].datacenter in ("ifca", "upc")


def test_somebody_elses_storage_tells_nothing_of_its_place(ask, ada, eve, second):
    files = Storage.objects.create(project=ada.personal_project, kind=StorageKind.S3, name="Files", datacenter=second)
    assert planning.around(ask(storages=(StorageRequest(str(files.pk)),)), eve).spots == ()


# ── How long others waited ───────────────────────────────────────────────────────────────────────
def started(site, ada, minutes: float, *, ago=timedelta(days=1), **resources) -> Deployment:
    asked = timezone.now() - ago
    request = {"resources": {**ResourceRequest().__dict__, **resources}}
    return Deployment.objects.create(
        project=ada.personal_project,
        owner=ada,
        asset_slug="m",
        title="m",
        request=request,
        status=Status.COMPLETED,
        datacenter=site,
        created=asked,
        started=asked + timedelta(minutes=minutes),
    )


def test_the_median_of_first_starts_is_the_guess(site, ada):
    for minutes in (1, 5, 60):
        started(site, ada, minutes)
    Deployment.objects.filter(pk=started(site, ada, 900).pk).update(starts=2)
    started(site, ada, 900, ago=timedelta(days=31))
    wait = waits.typical()["ifca", ""]
    assert (wait.lasts, wait.of) == (timedelta(minutes=5), 3)


def test_fewer_than_three_are_no_guess(site, ada):
    started(site, ada, 1)
    started(site, ada, 1)
    assert waits.typical() == {}


def test_each_gpu_model_has_a_guess_of_its_own_and_all_have_one_together(site, ada):
    for model, minutes in (("A100", 60), ("A100", 90), ("A100", 120), ("T4", 1), ("", 2)):
        started(site, ada, minutes, gpus=1, gpu_model=model)
    found = waits.typical()
    assert set(found) == {("ifca", "A100"), ("ifca", ANY_GPU)}
    assert found["ifca", "A100"].lasts == timedelta(minutes=90)
    assert found["ifca", ANY_GPU].of == 5


def test_it_counts_who_waits_at_each_place(site, deployed, second):
    assert waits.queued() == {"ifca": 1}
