"""Who may take part in a federated server, who says so, and what each of them gets."""

import io
import json
import subprocess
import zipfile

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_ssh_private_key, load_ssh_public_key
from django.core.exceptions import PermissionDenied

from accounts.models import AuditEvent, Membership, Role
from datacenters.nomad.render import TRUSTED, job_json
from jobs import services
from jobs.compilers import CannotCompile, compile_deployment
from jobs.federation import bundle, clients, members, places
from jobs.federation.keys import NoKey, checked_public_key, new_node_key
from jobs.models import Deployment, DeploymentSecret, FederationClient, Status
from jobs.refusals import NotPossibleNow, RequestRefused

from .conftest import ROOM, asset_of

pytestmark = pytest.mark.django_db


def row(deployment) -> Deployment:
    return Deployment.objects.with_parts().get(pk=deployment.pk)


def unpacked(content: bytes) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        return {name: packed.read(name).decode() for name in packed.namelist()}


# ── Clients elsewhere ────────────────────────────────────────────────────────────────────────────
def test_a_client_elsewhere_gets_a_key_that_serai_does_not_keep(server, ada):
    client, key = clients.add_outside(server, ada, name="Hospital A")
    public = load_ssh_private_key(key.private.encode(), None).public_key()
    assert public.curve.name == "secp384r1"
    assert checked_public_key(client.public_key) == client.public_key == key.public
    kept = json.dumps([*FederationClient.objects.values(), *DeploymentSecret.objects.values()], default=str)
    lines = key.private.splitlines()[1:-1]
    assert not any(line in kept for line in lines)


def test_its_bundle_has_all_it_needs_and_the_exact_command(server, ada):
    client, key = clients.add_outside(server, ada, name="Hospital A")
    files = unpacked(bundle.bundle(client, key))
    assert set(files) == {"README.txt", "node", "ca.pem"}
    assert files["node"] == key.private
    assert "flower-supernode --superlink 127.0.0.1:8443 --root-certificates ca.pem" in files["README.txt"]
    assert "Three hospitals" in files["README.txt"]
    authority = x509.load_pem_x509_certificate(files["ca.pem"].encode())
    own = x509.load_pem_x509_certificate(places.certificates_of(server)["FLEET_CERTIFICATE"].encode())
    own.verify_directly_issued_by(authority)


def test_the_key_in_the_bundle_is_for_its_owner_alone(server, ada, tmp_path):
    client, key = clients.add_outside(server, ada, name="Hospital A")
    (tmp_path / "bundle.zip").write_bytes(bundle.bundle(client, key))
    with zipfile.ZipFile(tmp_path / "bundle.zip") as packed:
        assert packed.getinfo("node").external_attr >> 16 & 0o777 == 0o600


def test_through_the_gateway_systems_know_the_certificate(server, ada, settings):
    settings.SERAI_APPS_HOST = "apps.example.org"
    server.datacenter.cluster.local = False
    place = places.place_of(server)
    assert place.address == f"fleet-{server.pk}.apps.example.org:443"
    assert "--root-certificates" not in bundle.command(place)


def test_a_client_may_bring_a_key_of_its_own(server, ada, tmp_path):
    ssh_keygen = ["ssh-keygen", "-q", "-t", "ecdsa", "-b", "384", "-N", "", "-f", str(tmp_path / "key")]
    try:
        subprocess.run(ssh_keygen, check=True)
    except FileNotFoundError:
        pytest.skip("ssh-keygen is not installed")
    client, key = clients.add_outside(server, ada, name="A", public_key=(tmp_path / "key.pub").read_text())
    assert key is None
    assert client.public_key.startswith("ecdsa-sha2-nistp384 ")
    assert "node" not in unpacked(bundle.bundle(client, None))


@pytest.mark.parametrize(
    ("given", "pointer", "sentence"),
    [
        ({"name": ""}, "#/name", "1 to 60"),
        ({"name": "../x"}, "#/name", "1 to 60"),
        ({"name": "a\nb"}, "#/name", "1 to 60"),
        ({"name": "Taken"}, "#/name", "Choose another name"),
        ({"name": "B", "public_key": "ssh-rsa AAAA"}, "#/public_key", "ssh-keygen -t ecdsa"),
        ({"name": "B", "public_key": "nonsense"}, "#/public_key", "ssh-keygen -t ecdsa"),
        ({"name": "B", "public_key": "TAKEN"}, "#/public_key", "Another client has this key"),
    ],
)
def test_what_is_wrong_with_a_client_is_said_at_its_field(server, ada, given, pointer, sentence):
    taken, _key = clients.add_outside(server, ada, name="Taken")
    given = {**given, "public_key": given.get("public_key", "").replace("TAKEN", taken.public_key)}
    with pytest.raises(RequestRefused) as refused:
        clients.add_outside(server, ada, **given)
    (error,) = refused.value.errors
    assert error.pointer == pointer
    assert sentence in error.detail


def test_a_private_key_is_not_taken_for_a_public_one():
    with pytest.raises(NoKey):
        checked_public_key(new_node_key().private)


def test_who_only_looks_adds_and_takes_away_nobody(server, ada, bob):
    client, _key = clients.add_outside(server, ada, name="A")
    Membership.objects.filter(user=bob).exclude(project__personal_of=bob).update(role=Role.VIEWER)
    with pytest.raises(PermissionDenied):
        clients.add_outside(server, bob, name="B")
    with pytest.raises(PermissionDenied):
        clients.revoke(client, bob)


def test_it_stays_on_record_who_was_let_in_and_who_no_longer(server, ada):
    client, _key = clients.add_outside(server, ada, name="A")
    clients.revoke(client, ada)
    clients.revoke(clients.client_named(server, client.pk), ada)
    actions = AuditEvent.objects.filter(action__startswith="federation").values_list("action", flat=True)
    assert sorted(actions) == ["federation.client-added", "federation.client-revoked"]
    assert list(server.events.values_list("verb", flat=True))[-2:] == ["client added", "client removed"]


def test_where_no_more_clients_fit_one_may_still_be_taken_away(server, ada, monkeypatch):
    client, _key = clients.add_outside(server, ada, name="A")
    monkeypatch.setattr(clients, "CLIENTS_AT_MOST", 1)
    with pytest.raises(NotPossibleNow, match="at most 1 clients"):
        clients.add_outside(server, ada, name="B")
    clients.revoke(client, ada)
    assert clients.clients_of(server).get().revoked


# ── Clients inside ───────────────────────────────────────────────────────────────────────────────
def test_a_client_inside_is_a_deployment_with_a_key_of_its_own(server, ada):
    client = row(clients.add_inside(server, ada, name="Part one", part=1, parts=2))
    assert client.title == "Part one"
    spec, secrets = compile_deployment(client)
    main = next(task for task in spec.tasks if task.name == "main")
    assert main.env["FEDERATION_ADDRESS"] == "127.0.0.1:8443"
    assert (main.env["OPTION_PART"], main.env["OPTION_PARTS"]) == ("1", "2")
    assert secrets["FLEET_CA"] == places.certificates_of(server)["FLEET_CA"]
    known = FederationClient.objects.get(deployment=client)
    public = load_ssh_private_key(secrets["NODE_KEY"].encode(), None).public_key()
    assert known.server == server
    assert load_public(known.public_key) == public.public_numbers()
    sent = json.dumps(job_json(spec, TRUSTED))
    assert not any(line in sent for value in secrets.values() for line in value.splitlines() if len(line) > 30)
    assert compile_deployment(client) == (spec, secrets)


def load_public(line: str):
    return load_ssh_public_key(line.encode()).public_numbers()


def test_a_client_of_nobody_or_of_another_projects_server_is_refused_at_its_option(server, ask, ada, eve):
    for wanted in ("", "nonsense", str(server.pk)):
        request = ask("flower-client", options={"server": wanted}, project=eve.personal_project.slug, **ROOM)
        with pytest.raises(RequestRefused) as refused:
            services.deploy(request, owner=eve)
        assert refused.value.errors[0].pointer == "#/options/server"


def test_there_are_not_more_parts_than_there_are(server, ask, ada):
    with pytest.raises(RequestRefused) as refused:
        services.deploy(
            ask("flower-client", options={"server": str(server.pk), "part": 3, "parts": 2}, **ROOM), owner=ada
        )
    assert refused.value.errors[0].pointer == "#/options/part"


def test_a_client_of_a_server_that_ended_says_so(server, ask, ada):
    client = row(clients.add_inside(server, ada, name="A", part=1, parts=1))
    Deployment.objects.filter(pk=server.pk).update(status=Status.STOPPED, endpoints=[])
    with pytest.raises(CannotCompile, match="Start the server first"):
        compile_deployment(client)
    with pytest.raises(RequestRefused) as refused:
        clients.add_inside(row(server), ada, name="B", part=1, parts=1)
    assert "that runs in this project" in refused.value.errors[0].detail


def test_a_client_whose_key_was_taken_away_stops_and_starts_no_more(server, ada):
    deployment = row(clients.add_inside(server, ada, name="A", part=1, parts=1))
    compile_deployment(deployment)
    clients.revoke(FederationClient.objects.get(deployment=deployment), ada)
    deployment.refresh_from_db()
    assert deployment.status == Status.STOPPED
    assert "taken away" in deployment.events.last().sentence
    with pytest.raises(CannotCompile, match="taken away"):
        compile_deployment(row(deployment))


# ── The server ───────────────────────────────────────────────────────────────────────────────────
def test_the_server_is_told_where_to_report_and_holds_no_secret_in_its_job(server):
    spec, secrets = compile_deployment(server)
    main = next(task for task in spec.tasks if task.name == "main")
    assert main.env["SERAI_REPORT_URL"].endswith(f"/federations/{server.pk}/report")
    assert main.env["OPTION_ROUNDS"] == "2"
    assert set(main.secrets) >= {"REPORT_TOKEN", "FLEET_CA", "FLEET_CERTIFICATE", "FLEET_KEY"}
    assert "BEGIN" in secrets["FLEET_KEY"]
    assert not any(secret in json.dumps(job_json(spec, TRUSTED)) for secret in secrets.values())
    assert compile_deployment(server) == (spec, secrets)


def test_other_deployments_have_no_clients(deployed, ada):
    assert not members.is_server(deployed)


@pytest.fixture
def deployed(site, ask, ada):
    asset_of("digits", "/srv/modules/digits")
    return services.deploy(ask(), owner=ada)
