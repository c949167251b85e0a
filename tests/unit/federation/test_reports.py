"""What a federated server's job tells, what is believed of it, and what it is told."""

import json
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from dashboard import federation
from jobs import services, tools
from jobs.federation import clients, reports
from jobs.models import Deployment, FederationClient, Status

pytestmark = pytest.mark.django_db

ROUND = {
    "round": 1,
    "asked": 2,
    "answered": 2,
    "train": {"train_loss": 2.3, "best alone": 0.49},
    "evaluate": {"accuracy": 0.9},
    "joint": {"accuracy": 0.89},
    "seconds": 36.2,
}


def token_of(server) -> str:
    return tools.secrets_of(server)["REPORT_TOKEN"]


def report(server, told, token: str | None = None, **more):
    headers = {"Authorization": f"Bearer {token_of(server) if token is None else token}"}
    body = told if isinstance(told, bytes) else json.dumps(told)
    # No session, no form's token: as a job comes.
    strict = Client(enforce_csrf_checks=True)
    return strict.post(f"/federations/{server.pk}/report", body, content_type="application/json", headers=headers)


def told(**more):
    return {"phase": "running", "problem": "", "rounds": [], "nodes": [], "now": None, "run": "", **more}


def node(client: FederationClient, status: str = "online"):
    return {"key": client.public_key, "id": "42", "status": status}


def test_it_is_told_whom_to_let_in_and_never_who_was_taken_away(server, ada):
    first, _key = clients.add_outside(server, ada, name="A")
    second, _key = clients.add_outside(server, ada, name="B")
    clients.revoke(second, ada)
    assert report(server, told()).json() == {"clients": [{"name": "A", "public_key": first.public_key}]}


def test_rounds_and_clients_are_on_the_page(server, ada):
    client, _key = clients.add_outside(server, ada, name="A")
    report(server, told(rounds=[ROUND], nodes=[node(client)], run="0" * 32, now={"began": 2, "asked": 1}))
    server.refresh_from_db()
    client.refresh_from_db()
    assert server.result["rounds"] == [ROUND]
    assert server.run_id == "0" * 32
    assert (client.node_id, client.details) == ("42", {"status": "online"})
    assert reports.is_online(client)
    assert "Round 2 of 2: 1 clients were asked" in federation.progress(server)["sentence"]
    names = [line["name"] for line in federation.series(server)]
    assert names[0] == "joint model: accuracy"
    assert "training: best alone" in names


def test_the_same_again_wakes_no_page(server, ada):
    client, _key = clients.add_outside(server, ada, name="A")
    words = told(rounds=[ROUND], nodes=[node(client)])
    report(server, words)
    before = Deployment.objects.get(pk=server.pk).updated
    report(server, words)
    assert Deployment.objects.get(pk=server.pk).updated == before


def test_who_is_not_seen_any_more_is_not_connected(server, ada):
    client, _key = clients.add_outside(server, ada, name="A")
    report(server, told(nodes=[node(client)]))
    FederationClient.objects.update(last_seen=timezone.now() - timedelta(minutes=5))
    client.refresh_from_db()
    assert not reports.is_online(client)
    report(server, told(nodes=[node(client, "offline")]))
    client.refresh_from_db()
    assert client.details == {"status": "offline"}


@pytest.mark.parametrize("token", ["", "guess", "None"])
def test_nobody_else_reports(server, token):
    assert report(server, told(), token=token).status_code == 401


def test_another_servers_token_is_refused(server, ask, ada):
    other = services.deploy(ask("flower", memory_mb=900, disk_mb=500), owner=ada)
    assert report(server, told(), token=token_of(Deployment.objects.with_parts().get(pk=other.pk))).status_code == 401


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"no json", b'"text"'],
)
def test_what_is_no_report_is_refused(server, body):
    assert report(server, body).status_code == 400


@pytest.mark.parametrize(
    "odd",
    [
        {"rounds": "many"},
        {"rounds": [1, "two", None, {"round": float("nan"), "joint": {"accuracy": float("inf"), "x": "<b>"}}]},
        {"rounds": [{"train": ["a"], "joint": None}] * 5_000},
        {"nodes": {"a": 1}},
        {"nodes": ["x", {"key": 7}, {"key": "ssh-rsa AAAA"}]},
        {"phase": "<script>", "problem": {"a": "b"}, "now": "soon", "run": "../../x"},
        {"now": {"began": {"deep": 1}}},
    ],
)
def test_odd_reports_harm_nothing(server, ada, client, odd):
    assert report(server, told(**odd)).status_code == 200
    server.refresh_from_db()
    assert server.run_id == ""
    json.dumps(server.result, allow_nan=False)
    assert len(server.result["rounds"]) <= reports.ROUNDS_AT_MOST
    client.force_login(ada)
    assert client.get(f"/deployments/{server.pk}/").status_code == 200
    assert client.get(f"/deployments/{server.pk}/rounds.json").status_code == 200


def test_what_ended_takes_no_more_reports_over(server):
    Deployment.objects.filter(pk=server.pk).update(status=Status.STOPPED)
    report(server, told(rounds=[ROUND]))
    server.refresh_from_db()
    assert server.result is None


@pytest.mark.parametrize(
    ("result", "sentence"),
    [
        (None, "as soon as 2 clients are connected; 0 are"),
        ({"phase": "running", "rounds": [], "now": {"waiting": 1}}, "waits until enough clients"),
        ({"phase": "finished", "rounds": []}, "All 2 rounds are done"),
        ({"phase": "failed", "rounds": [], "problem": "no app"}, "The run failed: no app"),
    ],
)
def test_each_state_has_its_sentence(server, result, sentence):
    server.result = result
    assert sentence in federation.progress(server)["sentence"]
