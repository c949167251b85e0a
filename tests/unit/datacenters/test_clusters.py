"""Clusters as operators bring them: in the pages, by REST and by a command."""

import json

import pytest
from django.core.management import CommandError, call_command

from accounts.models import ApiToken, AuditEvent, create_person
from datacenters import clusters
from datacenters.clusters import POLICY
from datacenters.models import Cluster
from jobs.models import NAMESPACE_PREFIX, Deployment

from .border import a_border, says, trickles

pytestmark = pytest.mark.django_db

CLIENT = {"Name": "serai", "Type": "client", "Policies": ["serai"], "ExpirationTime": None}
DENIED = says(403, "Permission denied")
NODE = {
    "ID": "00000000-0000-4000-8000-000000000001",
    "Name": "shed",
    "Datacenter": "greenhouse",
    "Status": "ready",
    "SchedulingEligibility": "eligible",
    "Drivers": {"docker": {"Detected": True, "Healthy": True}},
    "NodeResources": {
        "Cpu": {"CpuShares": 4000, "TotalCpuCores": 4},
        "Memory": {"MemoryMB": 8000},
        "Disk": {"DiskMB": 9},
    },
    "Version": "2.0.6",
}


@pytest.fixture
def olga(db):
    return create_person("olga", is_staff=True)


@pytest.fixture
def a_cluster():
    """A cluster that answers as one with the policy loaded does; each answer can be changed."""

    def answers(**changes):
        good = {
            "regions": says(200, ["garden"]),
            "acl/token/self": says(200, CLIENT),
            "nodes": says(200, [NODE]),
            f"node/{NODE['ID']}": says(200, {**NODE, "Meta": {}, "Attributes": {}}),
            "allocations": says(200, []),
            "namespaces": says(200, []),
            "agent/self": DENIED,
            "var/nomad/jobs/serai-check": says(200, {}),
            "job/serai-check": says(200, {"EvalID": ""}),
            "event/stream": trickles(),
        }
        changed = {name.replace("__", "/"): answer for name, answer in changes.items()}
        return a_border(**{name.replace("/", "__"): answer for name, answer in (good | changed).items()})

    return answers


def values(border, **changes):
    return {
        "name": "garden",
        "address": border.address,
        "region": "garden",
        "token": "t" * 36,
        "enabled": "on",
    } | changes


def found(cluster):
    return {check.what: check.ok for check in clusters.examine(cluster)}


def row(border, **changes):
    return Cluster.objects.create(name="garden", address=border.address, region="garden", token="t" * 36, **changes)


# ── What is tried ────────────────────────────────────────────────────────────────────────────────
def test_a_cluster_with_the_policy_works_and_its_datacenter_appears(a_cluster):
    with a_cluster() as border:
        cluster = row(border)
        said = found(cluster)
        assert said == {
            "Region": True, "Token": True, "Jobs": True, "Secrets": True,
            "Namespaces": None, "News": True, "Nodes": True, "Runtimes": True,
        }  # fmt: skip
        assert [place.name for place in cluster.datacenters.all()] == ["greenhouse"]
        assert cluster.checks[0]["sentence"] == "The region garden is there."


def test_trying_leaves_nothing_behind(a_cluster):
    with a_cluster() as border:
        found(row(border))
        changing = [(method, path.partition("?")[0]) for method, path, _headers in border.asked if method != "GET"]
        assert changing == [
            ("PUT", "/v1/var/nomad/jobs/serai-check"),
            ("DELETE", "/v1/var/nomad/jobs/serai-check"),
            ("DELETE", "/v1/job/serai-check"),
            ("POST", "/v1/node/00000000-0000-0000-0000-000000000000/eligibility"),
        ]


def test_the_right_to_change_nodes_is_named_and_may_be_missing(a_cluster):
    never = "node__00000000-0000-0000-0000-000000000000__eligibility"
    with a_cluster(**{never: DENIED}) as border:
        checks = found(cluster := row(border))
        assert checks["Emptying nodes"] is None
        told = next(check for check in cluster.checks if check["what"] == "Emptying nodes")
        assert "node:write" in told["sentence"]


@pytest.mark.parametrize(
    ("refused", "missing"),
    [
        ("job__serai-check", "Jobs"),
        ("var__nomad__jobs__serai-check", "Secrets"),
        ("nodes", "Nodes"),
    ],
)
def test_a_right_that_is_missing_is_named(a_cluster, refused, missing):
    with a_cluster(**{refused: DENIED}) as border:
        assert found(row(border))[missing] is False


@pytest.mark.parametrize(
    ("answers", "says_so"),
    [
        ({"regions": says(200, ["west", "east"])}, "There is no region garden in this cluster. It knows: west, east."),
        ({"acl__token__self": DENIED}, "refuses Serai's token"),
        ({"acl__token__self": says(500, "failed to parse signed token")}, "refuses Serai's token"),
        ({"regions": says(200, "<html>")}, "answered something that is no JSON"),
        ({"regions": says(429, "Your IP is issuing too many concurrent connections")}, "too many concurrent"),
        ({"nodes": says(200, [])}, "No node takes jobs."),
    ],
)
def test_what_does_not_work_is_said(a_cluster, answers, says_so):
    with a_cluster(**answers) as border:
        checks = clusters.examine(row(border))
        assert not clusters.works(checks)
        assert says_so in " ".join(check.sentence for check in checks)


def test_a_cluster_without_access_control_works_with_a_warning(a_cluster):
    with a_cluster(acl__token__self=says(400, "ACL support disabled")) as border:
        said = found(row(border))
        assert said["Token"] is None
        assert clusters.works(clusters.examine(Cluster.objects.get()))


def test_the_policy_is_for_the_namespaces_that_deployments_use(ada):
    deployment = Deployment(project=ada.personal_project, owner=ada)
    assert deployment.namespace.startswith(NAMESPACE_PREFIX)
    assert f'namespace "{NAMESPACE_PREFIX}*"' in POLICY


# ── Pages ────────────────────────────────────────────────────────────────────────────────────────
def test_an_operator_adds_a_cluster_and_reads_what_works(client, olga, a_cluster):
    client.force_login(olga)
    with a_cluster() as border:
        page = client.post("/clusters/new", values(border), follow=True).content.decode()
    assert "Serai may run jobs." in page
    assert "nomad namespace apply" in page
    assert "t" * 36 not in page
    assert AuditEvent.objects.filter(action="cluster.added", actor=olga).exists()


def test_one_that_does_not_answer_is_kept_with_the_reason(client, olga):
    client.force_login(olga)
    data = {"name": "garden", "address": "http://127.0.0.1:9", "region": "garden", "enabled": "on"}
    assert "cannot be reached" in client.post("/clusters/new", data, follow=True).content.decode()
    assert Cluster.objects.filter(name="garden").exists()


@pytest.mark.parametrize(
    ("field", "value", "says_so"),
    [
        ("address", "nomad.example.org", "Write it as https://nomad.example.org:4646."),
        ("address", "ftp://nomad.example.org", "Write it as https://nomad.example.org:4646."),
        ("name", "local", "embedded local datacenter"),
        ("name", "my garden", "letters, numbers, underscores or hyphens"),
        ("ca_certificate", "no certificate", "This is no certificate in PEM"),
        ("client_certificate", "no certificate", "This is no certificate in PEM."),
        ("client_key", "no key", "This is no private key in PEM"),
    ],
)
def test_a_wrong_value_is_said_at_its_field(client, olga, field, value, says_so):
    client.force_login(olga)
    data = {"name": "garden", "address": "http://127.0.0.1:9", "region": "garden", "token": "x", field: value}
    answer = client.post("/clusters/new", data)
    assert answer.status_code == 422
    assert says_so in " ".join(answer.context["form"].errors[field])
    assert not Cluster.objects.exists()


def test_an_empty_token_keeps_the_one_there_is(client, olga, a_cluster):
    client.force_login(olga)
    with a_cluster() as border:
        row(border)
        client.post("/clusters/garden/", values(border, token=""))
    assert Cluster.objects.get().token == "t" * 36


def test_a_token_never_goes_to_another_address_than_it_was_given_for(client, olga, a_cluster):
    client.force_login(olga)
    with a_cluster() as border, a_border() as other:
        row(border)
        answer = client.post("/clusters/garden/", values(other, token=""))
        assert "give the token again" in answer.context["form"].errors["token"][0]
        assert other.asked == []


def test_who_runs_no_datacenters_sees_no_clusters(client, ada, eve):
    for person in (ada, eve):
        client.force_login(person)
        assert client.get("/clusters/").status_code == 403
        assert client.post("/clusters/new", {}).status_code == 403


def test_a_cluster_with_a_history_is_kept_and_one_without_goes(client, olga, ada, a_cluster):
    client.force_login(olga)
    with a_cluster() as border:
        cluster = row(border)
        clusters.examine(cluster)
    deployment = Deployment.objects.create(
        project=ada.personal_project, owner=ada, request={}, datacenter=cluster.datacenters.get(), title="Digits"
    )
    page = client.post("/clusters/garden/remove", follow=True).content.decode()
    assert "Switch the cluster off instead" in page
    deployment.delete()
    client.post("/clusters/garden/remove")
    assert not Cluster.objects.exists()


# ── REST and the command ─────────────────────────────────────────────────────────────────────────
def test_the_same_by_rest(client, olga, a_cluster):
    headers = {"Authorization": f"Bearer {ApiToken.issue(olga, 'script')[1]}"}

    def ask(method, path, body=None):
        send = getattr(client, method)
        return send(f"/api/v1/{path}", json.dumps(body or {}), content_type="application/json", headers=headers)

    with a_cluster() as border:
        body = {"name": "garden", "address": border.address, "region": "garden", "token": "t" * 36}
        made = ask("post", "clusters", body)
        assert (made.status_code, made["Location"]) == (201, "/api/v1/clusters/garden")
        assert made.json()["datacenters"] == ["greenhouse"]
        assert "t" * 36 not in made.content.decode()
        assert ask("post", "clusters/garden/test").json()["checks"][0]["ok"] is True
        assert ask("patch", "clusters/garden", {"enabled": False}).json()["enabled"] is False
        assert ask("patch", "clusters/garden", {"address": "nowhere"}).json()["errors"][0]["pointer"] == "#/address"
        assert ask("delete", "clusters/garden").status_code == 204


def test_the_same_by_a_command(tmp_path, a_cluster, capsys):
    (tmp_path / "token").write_text("t" * 36 + "\n")
    with a_cluster() as border:
        call_command(
            "add_cluster", "garden", border.address, "--region", "garden", "--token-file", str(tmp_path / "token")
        )
    assert "works  Jobs: Serai may run jobs." in capsys.readouterr().out
    assert Cluster.objects.get().token == "t" * 36


def test_the_command_says_what_is_wrong(tmp_path):
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("add_cluster", "garden", "http://127.0.0.1:9", "--token-file", str(tmp_path / "none"))
    with pytest.raises(CommandError, match="address: Write it as"):
        call_command("add_cluster", "garden", "nowhere")
    with pytest.raises(CommandError, match="not everything works"):
        call_command("add_cluster", "garden", "http://127.0.0.1:9")
