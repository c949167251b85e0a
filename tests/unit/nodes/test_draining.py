"""Operators empty a node; those whose deployments are there read why. The cluster is a server that says what we want."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent
from datacenters import services as datacenters
from datacenters.models import Cluster
from jobs import drains
from jobs.models import Deployment, DeploymentKind, Status
from tests.unit.datacenters.border import a_border, says

pytestmark = pytest.mark.django_db
DENIED = says(403, "Permission denied")


@pytest.fixture
def border(node):
    """The node's cluster, which takes whatever it is told."""
    with a_border() as border:
        border.otherwise = says(200, {"NodeModifyIndex": 7})
        Cluster.objects.update(address=border.address)
        yield border


@pytest.fixture
def grace_client(who):
    client = Client()
    client.force_login(who("grace"))
    return client


def told(border):
    return [path.partition("?")[0].removeprefix("/v1/node/") for method, path, _ in border.asked if method == "POST"]


def test_those_affected_read_why_and_what_follows(border, node, running, grace_client, read):
    answer = grace_client.post(f"/nodes/{node.pk}/drain", {"reason": "New disk.", "lasts_minutes": 30}, follow=True)
    assert "is being emptied" in answer.content.decode()
    assert told(border) == [f"{node.pk}/drain"]
    node.refresh_from_db()
    assert (node.draining, node.eligible, node.ready, node.drain_reason) == (True, False, False, "New disk")
    event = running.events.last()
    assert event.verb == "heard of a drain"
    assert "one, the machine it runs on, is being emptied: New disk. It starts again on another" in event.sentence
    assert AuditEvent.objects.filter(action="node.drained", object_id=str(node.pk)).exists()
    page = read("bob", f"/deployments/{running.pk}/")
    assert "New disk" in page


def test_the_page_of_a_deployment_says_so_as_long_as_it_lasts(border, node, running, who, read):
    Deployment.objects.filter(pk=running.pk).update(allocation_id=f"of {running.job_id}"[:36])
    node.held[0]["allocation_id"] = f"of {running.job_id}"[:36]
    node.save()
    notice = "Its machine one is being emptied"
    assert notice not in read("ada", f"/deployments/{running.pk}/")
    drains.begin(node, lasts=timedelta(hours=1), reason="New disk", actor=who("grace"))
    assert notice in read("ada", f"/deployments/{running.pk}/")
    drains.end(node, who("grace"))
    assert notice not in read("ada", f"/deployments/{running.pk}/")
    assert running.events.last().verb == "heard that a drain ended"
    node.refresh_from_db()
    assert (node.draining, node.ready, node.drain_reason, node.drain_until) == (False, True, "", None)


def test_a_training_hears_until_when_it_may_run(border, node, running, who):
    Deployment.objects.filter(pk=running.pk).update(kind=DeploymentKind.BATCH)
    assert drains.begin(node, lasts=timedelta(hours=1), reason="New disk", actor=who("grace")) == 1
    assert "begins anew on another machine" in running.events.last().sentence


def test_what_has_ended_and_other_peoples_jobs_are_told_nothing(border, node, running, who):
    Deployment.objects.filter(pk=running.pk).update(status=Status.STOPPED)
    assert drains.begin(node, lasts=timedelta(hours=1), reason="New disk", actor=who("grace")) == 0


def test_a_token_without_the_right_is_told_to_the_operator_and_nothing_is_written(border, node, running, grace_client):
    border.answers[f"node/{node.pk}/drain"] = DENIED
    answer = grace_client.post(f"/nodes/{node.pk}/drain", {"reason": "Disk", "lasts_minutes": 30}, follow=True)
    assert "may not change nodes there" in answer.content.decode()
    node.refresh_from_db()
    assert (node.draining, node.drain_reason) == (False, "")
    assert running.events.last().verb != "heard of a drain"


def test_a_drain_says_how_long_and_what_for(node, grace_client):
    answer = grace_client.post(f"/nodes/{node.pk}/drain", {"reason": "", "lasts_minutes": 0})
    assert answer.status_code == 422
    assert answer.content.decode().count("invalid-feedback") >= 2 or "lasts_minutes" in answer.content.decode()


def test_taking_out_and_in(border, node, grace_client):
    for wanted in ("false", "true"):
        grace_client.post(f"/nodes/{node.pk}/eligibility", {"eligible": wanted})
        node.refresh_from_db()
        assert (node.eligible, node.ready) == (wanted == "true",) * 2
    assert told(border) == [f"{node.pk}/eligibility"] * 2


def test_the_same_by_rest(border, node, client, bearer, who):
    headers = bearer(who("grace"))
    address = f"/api/v1/nodes/{node.pk}"
    taken = client.patch(address, {"eligible": False}, "application/json", headers=headers)
    assert (taken.status_code, taken.json()["eligible"]) == (200, False)
    body = {"reason": "New disk", "lasts_minutes": 30}
    drained = client.post(f"{address}/drain", body, "application/json", headers=headers).json()
    assert (drained["draining"], drained["drain"]["reason"]) == (True, "New disk")
    wrong = client.post(f"{address}/drain", {"reason": ""}, "application/json", headers=headers)
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "#/reason")
    refused = client.patch(address, {"eligible": True}, "application/json", headers=headers)
    assert refused.status_code == 409
    assert client.delete(f"{address}/drain", headers=headers).json()["ready"]


def test_what_is_kept_of_a_drain_ends_with_it(node):
    """A list from before the drain does not end it; one from a while later does."""
    for minutes, kept in ((0, "New disk"), (5, "")):
        node.drain_began, node.drain_reason = timezone.now() - timedelta(minutes=minutes), "New disk"
        node.save()
        datacenters.forget_ended_drains()
        node.refresh_from_db()
        assert node.drain_reason == kept
