"""What operators say of a datacenter: where it is, whose jobs it takes, when it is closed."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import ApiToken, AuditEvent, create_person
from dashboard.maps import map_of
from datacenters.models import Cluster, Datacenter, Maintenance
from datacenters.services import capacities

pytestmark = pytest.mark.django_db


@pytest.fixture
def olga(db):
    return create_person("olga", is_staff=True)


@pytest.fixture
def ifca(db):
    cluster = Cluster.objects.create(name="cantabria", address="http://127.0.0.1:1", reached=timezone.now())
    return Datacenter.objects.create(name="ifca", cluster=cluster, nomad_name="ifca", offers_packages=True)


def described(**changes):
    return {"title": "IFCA", "place": "Santander", "latitude": "43.5", "longitude": "-3.8", "sharing": "everybody",
            "enabled": "on"} | changes  # fmt: skip


def times(begin, end):
    now = timezone.now()
    return {"starts": (now + begin).strftime("%Y-%m-%dT%H:%M"), "ends": (now + end).strftime("%Y-%m-%dT%H:%M")}


HOUR = timedelta(hours=1)


def test_an_operator_says_where_it_is_and_everybody_sees_it_on_the_map(client, olga, ada, ifca):
    client.force_login(olga)
    client.post("/datacenters/ifca/", described())
    client.force_login(ada)
    page = client.get("/datacenters/").content.decode()
    assert "Santander" in page
    assert 'class="world-spot world-open"' in page


def test_without_a_place_there_is_no_map(client, ada, ifca):
    client.force_login(ada)
    assert "world-spot" not in client.get("/datacenters/").content.decode()


def test_the_map_shows_all_spots_whatever_the_distance(ifca):
    for name, latitude, longitude in (("pole", 89.0, 0.0), ("date-line", -10.0, 179.9), ("west", 0.0, -179.9)):
        Datacenter.objects.create(
            name=name, cluster=ifca.cluster, nomad_name=name, latitude=latitude, longitude=longitude
        )
    found = map_of(capacities())
    assert found is not None
    assert (found.x, found.width) == (0.0, 360.0)
    assert all(found.y <= spot.y <= found.y + found.height for spot in found.spots)


@pytest.mark.parametrize(
    ("changes", "field", "says_so"),
    [
        ({"latitude": "95"}, "latitude", "less than or equal to 90"),
        ({"longitude": ""}, "longitude", "Give both, or neither."),
        ({"sharing": "projects"}, "projects", "at least one project"),
        ({"sharing": "nobody"}, "sharing", "Select a valid choice"),
        ({"projects": ["nowhere"]}, "projects", "nowhere"),
    ],
)
def test_a_wrong_value_is_said_at_its_field(client, olga, ifca, changes, field, says_so):
    client.force_login(olga)
    answer = client.post("/datacenters/ifca/", described(**changes))
    assert answer.status_code == 422
    assert says_so in " ".join(answer.context["form"].errors[field])


def test_one_that_is_for_some_projects_says_so_and_plans_for_no_others(client, olga, ada, ifca):
    client.force_login(olga)
    client.post("/datacenters/ifca/", described(sharing="projects", projects=[ada.personal_project.slug]))
    (capacity,) = capacities()
    assert (capacity.only_projects, capacity.projects) == (True, frozenset({ada.personal_project.slug}))


def test_maintenance_is_announced_goes_on_and_is_called_off(client, olga, ifca):
    client.force_login(olga)
    client.post("/datacenters/ifca/maintenances", times(-HOUR, HOUR) | {"reason": "new cooling"})
    assert capacities()[0].in_maintenance
    page = client.get("/datacenters/ifca/").content.decode()
    assert "nothing new starts here" in page
    client.post(f"/datacenters/ifca/maintenances/{Maintenance.objects.get().pk}/call-off")
    assert capacities()[0].maintenance is None
    said = list(AuditEvent.objects.filter(object_type="datacenter").order_by("pk").values_list("action", flat=True))
    assert said == ["maintenance.announced", "maintenance.called-off"]


def test_what_is_later_than_a_day_stands_on_its_own_page_only(client, olga, ifca):
    client.force_login(olga)
    client.post("/datacenters/ifca/maintenances", times(50 * HOUR, 52 * HOUR) | {"reason": "new cooling"})
    assert capacities()[0].maintenance is None
    assert "new cooling" in client.get("/datacenters/ifca/").content.decode()


@pytest.mark.parametrize(("begin", "end"), [(2 * HOUR, HOUR), (-2 * HOUR, -HOUR)])
def test_a_maintenance_that_never_is_is_refused(client, olga, ifca, begin, end):
    client.force_login(olga)
    answer = client.post("/datacenters/ifca/maintenances", times(begin, end) | {"reason": "new cooling"})
    assert answer.status_code == 422
    assert answer.context["maintenance_form"].errors["ends"]


def test_only_operators_say_such_things(client, ada, ifca):
    client.force_login(ada)
    assert client.post("/datacenters/ifca/", described()).status_code == 403
    assert client.post("/datacenters/ifca/maintenances", {}).status_code == 403
    assert "What is said of it" not in client.get("/datacenters/ifca/").content.decode()


def test_the_same_by_rest(client, olga, ada, ifca):
    headers = {"Authorization": f"Bearer {ApiToken.issue(olga, 'script')[1]}"}

    def ask(method, path, body):
        send = getattr(client, method)
        return send(
            f"/api/v1/datacenters/ifca{path}", json.dumps(body), content_type="application/json", headers=headers
        )

    place = ask("patch", "", {"place": "Santander", "latitude": 43.5, "longitude": -3.8}).json()
    assert (place["place"], place["latitude"], place["sharing"]) == ("Santander", 43.5, "everybody")
    assert ask("patch", "", {"title": "IFCA"}).json()["place"] == "Santander"
    refused = ask("patch", "", {"sharing": "projects"}).json()
    assert refused["errors"][0]["pointer"] == "#/projects"
    now = timezone.now()
    window = {"starts": now.isoformat(), "ends": (now + HOUR).isoformat(), "reason": "new cooling"}
    made = ask("post", "/maintenances", window)
    assert made.status_code == 201
    shown = client.get("/api/v1/datacenters/ifca", headers=headers).json()
    assert shown["maintenances"][0]["reason"] == "new cooling"
    assert ask("delete", f"/maintenances/{made.json()['id']}", {}).status_code == 204
