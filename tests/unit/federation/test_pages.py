"""The page of a federated server: clients are added and taken away there, and by REST."""

import io
import zipfile

import pytest

from accounts.models import Membership, Role
from jobs import services
from jobs.federation import clients
from jobs.models import Deployment, FederationClient

from .conftest import asset_of

pytestmark = pytest.mark.django_db


def test_ada_adds_a_client_elsewhere_and_keeps_its_bundle(server, ada, client):
    client.force_login(ada)
    page = client.get(f"/deployments/{server.pk}/").content.decode()
    assert "Nobody may take part yet" in page
    assert "--superlink 127.0.0.1:8443" in page
    answer = client.post(f"/deployments/{server.pk}/clients/outside", {"name": "Hospital A"})
    assert answer["Content-Disposition"] == 'attachment; filename="hospital-a-flower.zip"'
    assert "no-store" in answer["Cache-Control"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
        private = packed.read("node").decode()
    page = client.get(f"/deployments/{server.pk}/clients/").content.decode()
    assert "Hospital A" in page
    assert private.splitlines()[1] not in page


def test_what_is_wrong_comes_back_in_the_form(server, ada, client):
    client.force_login(ada)
    answer = client.post(f"/deployments/{server.pk}/clients/outside", {"name": "a/b"})
    assert answer.status_code == 422
    assert "A name has 1 to 60" in answer.content.decode()
    answer = client.post(f"/deployments/{server.pk}/clients/inside", {"name": "A", "part": 3, "parts": 2})
    assert answer.status_code == 422
    assert "There are not so many parts" in answer.content.decode()


def test_ada_starts_a_client_here_and_takes_it_away(server, ada, client):
    client.force_login(ada)
    client.post(f"/deployments/{server.pk}/clients/inside", {"name": "A", "part": 1, "parts": 2})
    started = Deployment.objects.exclude(pk=server.pk).get()
    assert started.request["options"] == {"server": str(server.pk), "part": 1, "parts": 2}
    outside, _key = clients.add_outside(server, ada, name="B")
    client.post(f"/deployments/{server.pk}/clients/{outside.pk}/revoke")
    assert FederationClient.objects.get(pk=outside.pk).revoked
    assert "taken away" in client.get(f"/deployments/{server.pk}/clients/").content.decode()


def test_who_only_looks_sees_clients_and_no_buttons(server, ada, bob, client):
    clients.add_outside(server, ada, name="Hospital A")
    Membership.objects.filter(user=bob, project=server.project).update(role=Role.VIEWER)
    client.force_login(bob)
    page = client.get(f"/deployments/{server.pk}/clients/").content.decode()
    assert "Hospital A" in page
    assert "Add a client" not in page
    assert "revoke" not in page


def test_eve_finds_nothing_there(server, eve, client):
    client.force_login(eve)
    for path in ("clients/", "rounds/", "rounds.json", "clients/outside"):
        assert client.get(f"/deployments/{server.pk}/{path}").status_code == 404


def test_the_same_by_rest(server, ada, eve, client, bearer):
    path, headers = f"/api/v1/deployments/{server.pk}/clients", bearer(ada)
    made = client.post(path, {"name": "Hospital A"}, content_type="application/json", headers=headers)
    assert made.status_code == 201
    assert "BEGIN OPENSSH PRIVATE KEY" in made.json()["private_key"]
    assert "--superlink 127.0.0.1:8443" in made.json()["command"]
    (listed,) = client.get(path, headers=headers).json()["items"]
    assert "private_key" not in listed
    assert (listed["name"], listed["connected"], listed["revoked"]) == ("Hospital A", False, None)
    wrong = client.post(path, {"name": "Hospital A"}, content_type="application/json", headers=headers)
    assert wrong.status_code == 422
    assert wrong.json()["errors"][0]["pointer"] == "#/name"
    body = {"name": "Here", "inside": True, "part": 2, "parts": 2}
    started = client.post(path, body, content_type="application/json", headers=headers)
    assert started.status_code == 202
    assert Deployment.objects.get(pk=started.json()["deployment"]).title == "Here"
    assert client.delete(f"{path}/{listed['id']}", headers=bearer(eve)).status_code == 404
    assert client.delete(f"{path}/{listed['id']}", headers=headers).status_code == 204
    assert client.get(path, headers=headers).json()["items"][0]["revoked"]


def test_what_is_no_federated_server_has_no_clients(site, ask, ada, client, bearer):
    asset_of("digits", "/srv/modules/digits")
    other = services.deploy(ask(), owner=ada)
    assert client.get(f"/api/v1/deployments/{other.pk}/clients", headers=bearer(ada)).status_code == 404
