"""What people say of places, on pages and by REST: energy and cost, where a storage lies, what counts most."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import AuditEvent, create_person
from datacenters.models import CarbonReading, Cluster, Datacenter, Footprint
from jobs import planning, storages
from jobs.models import Storage, StorageKind

pytestmark = pytest.mark.django_db


@pytest.fixture
def olga(db):
    return create_person("olga", is_staff=True)


@pytest.fixture
def ifca(db):
    cluster = Cluster.objects.create(name="cantabria", address="http://127.0.0.1:1", reached=timezone.now())
    return Datacenter.objects.create(name="ifca", cluster=cluster, nomad_name="ifca", offers_packages=True)


@pytest.fixture
def files(ada):
    return Storage.objects.create(project=ada.personal_project, kind=StorageKind.WEBDAV, name="Files")


def call(client, method, path, headers, **body):
    send = getattr(client, method)
    return send(f"/api/v1/{path}", data=body, content_type="application/json", headers=headers)


# ── Energy and cost ──────────────────────────────────────────────────────────────────────────────
def test_an_operator_says_what_work_costs_and_everybody_reads_it(client, olga, ada, ifca):
    client.force_login(olga)
    said = {"country": "es", "pue": "1.2", "carbon_source": "constant", "carbon_grams": "91.5", "cost": "low"}
    assert client.post("/datacenters/ifca/footprint", said).status_code == 302
    client.force_login(ada)
    page = client.get("/datacenters/ifca/").content.decode()
    assert "91.5 g of CO₂ for each kWh, always: as its operator says" in page
    assert "ES" in page
    assert "datacenter-footprint" not in page
    assert AuditEvent.objects.filter(action="datacenter.described", object_type="datacenter").exists()


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"pue": "0.5"}, "greater than or equal to 1.0"),
        ({"country": "E"}, "at least 2"),
        ({"country": "1!"}, "Two capital letters"),
        ({"carbon_source": "constant"}, "Give the figure, or choose another source."),
        ({"carbon_source": "rumour"}, "not one of the available choices"),
        ({"carbon_grams": "-1"}, "greater than or equal to 0"),
    ],
)
def test_what_cannot_be_is_told_at_its_field(client, olga, ifca, wrong, sentence):
    client.force_login(olga)
    answer = client.post("/datacenters/ifca/footprint", wrong)
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert not Footprint.objects.exists()


def test_by_rest_what_is_missing_stays(client, olga, ada, ifca, bearer):
    headers = bearer(olga)
    assert call(client, "patch", "datacenters/ifca/footprint", headers, country="ES", pue=1.3).status_code == 200
    assert call(client, "patch", "datacenters/ifca/footprint", headers, cost="high").json()["pue"] == 1.3
    wrong = call(client, "patch", "datacenters/ifca/footprint", headers, pue=99).json()
    assert wrong["errors"][0]["pointer"] == "#/pue"
    CarbonReading.objects.create(datacenter=ifca, grams_per_kwh=80, source="WattNet")
    read = client.get("/api/v1/datacenters/ifca/footprint", headers=bearer(ada)).json()
    assert (read["country"], read["pue"], read["cost"]) == ("ES", 1.3, "high")
    assert [one["grams_per_kwh"] for one in read["carbon"]] == [80]


def test_the_last_day_is_drawn_and_told_as_numbers(client, ada, ifca):
    Footprint.objects.create(datacenter=ifca, carbon_source="service")
    for hours, grams in ((30, 999), (20, 40), (10, 120), (0, 80)):
        at = timezone.now() - timedelta(hours=hours)
        CarbonReading.objects.create(datacenter=ifca, at=at, grams_per_kwh=grams, source="WattNet")
    client.force_login(ada)
    page = client.get("/datacenters/ifca/").content.decode()
    assert "between 40 and 120 g of CO₂" in page
    assert page.count("<polyline") == 1
    assert "999" not in page
    assert "style=" not in page.split("carbon-figure")[1].split("</figure>")[0]


def test_a_figure_that_is_too_old_says_so_and_operators_see_why(client, olga, ada, ifca):
    Footprint.objects.create(datacenter=ifca, carbon_source="service", problem="It did not answer.")
    CarbonReading.objects.create(
        datacenter=ifca, at=timezone.now() - timedelta(hours=5), grams_per_kwh=80, source="WattNet"
    )
    client.force_login(ada)
    page = client.get("/datacenters/ifca/").content.decode()
    assert "too old to count" in page
    assert "It did not answer." not in page
    client.force_login(olga)
    assert "It did not answer." in client.get("/datacenters/ifca/").content.decode()


# ── Where a storage lies ─────────────────────────────────────────────────────────────────────────
def test_ada_says_where_her_files_lie(client, ada, ifca, files):
    client.force_login(ada)
    assert "Nobody said so yet" in client.get(f"/storage/{files.pk}/edit").content.decode()
    client.post(f"/storage/{files.pk}/place", {"datacenter": "ifca", "country": ""})
    files.refresh_from_db()
    assert files.datacenter == ifca
    assert "At ifca." in client.get(f"/storage/{files.pk}/edit").content.decode()


def test_by_rest_a_datacenter_that_is_not_known_is_told(client, ada, ifca, files, bearer):
    path, headers = f"storages/{files.pk}/place", bearer(ada)
    assert call(client, "put", path, headers, country="pt").json() == {"datacenter": None, "country": "PT"}
    assert call(client, "put", path, headers, datacenter="nowhere").json()["errors"][0]["pointer"] == "#/datacenter"
    assert client.get(f"/api/v1/{path}", headers=headers).json()["country"] == "PT"


def test_homes_lie_where_serai_runs_and_nobody_says_otherwise(client, ada, ifca, settings, bearer):
    settings.SERAI_HOMES_URL = "http://127.0.0.1:1"
    home = storages.home_of(ada.personal_project)
    assert call(client, "put", f"storages/{home.pk}/place", bearer(ada), datacenter="ifca").status_code == 403


def test_eve_neither_sees_nor_says_where_adas_files_lie(client, eve, ifca, files, bearer):
    assert client.get(f"/api/v1/storages/{files.pk}/place", headers=bearer(eve)).status_code == 404
    assert call(client, "put", f"storages/{files.pk}/place", bearer(eve), datacenter="ifca").status_code == 404


# ── What counts most ─────────────────────────────────────────────────────────────────────────────
def test_ada_says_what_counts_most_for_her_and_takes_it_back(client, ada):
    client.force_login(ada)
    client.post("/profile/favour", {"favour": "green"})
    assert planning.favour_of(ada) == "green"
    assert '<option value="green" selected>' in client.get("/profile").content.decode()
    client.post("/profile/favour", {"favour": "gold"})
    assert planning.favour_of(ada) == "green"
    client.post("/profile/favour", {"favour": ""})
    assert planning.favour_of(ada) == ""


def test_only_managers_say_it_for_their_project(client, ada, bob, bearer):
    path = f"projects/{ada.personal_project.slug}/favour"
    assert call(client, "put", path, bearer(bob), favour="cheap").status_code == 403
    assert call(client, "put", path, bearer(ada), favour="cheap").json() == {"favour": "cheap"}
    assert client.get(f"/api/v1/{path}", headers=bearer(bob)).json() == {"favour": "cheap"}
    assert call(client, "put", path, bearer(ada), favour=None).json() == {"favour": None}
