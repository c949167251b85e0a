"""What people may ask for, and what their asking writes down."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from accounts.models import AuditEvent, Level, Membership, Role
from datacenters.jobspec import JobKind
from jobs import cleaning, doorbell, idempotency, services
from jobs.models import Deployment, IdempotencyKey, Status
from jobs.refusals import IdempotencyConflict, NotPossibleNow, RequestRefused


def pointers(refused):
    return {error.pointer: error.detail for error in refused.value.errors}


def test_a_deployment_is_written_down_with_its_history(deployed, ada):
    assert deployed.status == Status.QUEUED
    assert deployed.request["resources"]["memory_mb"] == 300
    event = deployed.events.get()
    assert event.verb == "queued"
    assert event.actor == ada
    assert "ifca" in event.sentence
    assert AuditEvent.objects.get(action="deployment.created").object_id == str(deployed.pk)


def test_the_worker_hears_of_it_only_once_it_is_written(
    site, digits, ask, ada, monkeypatch, django_capture_on_commit_callbacks
):
    rung = []
    monkeypatch.setattr(doorbell, "ring", lambda task, pk: rung.append((task, pk)))
    with django_capture_on_commit_callbacks(execute=True):
        deployment = services.deploy(ask(), owner=ada)
        assert rung == []
    assert rung == [("jobs.tasks.submit", deployment.pk)]


def test_a_broker_that_takes_no_message_stops_nobody(site, digits, ask, ada, settings, monkeypatch):
    def full_disk(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(doorbell.current_app, "send_task", full_disk)
    doorbell.ring(doorbell.SUBMIT, services.deploy(ask(), owner=ada).pk)


@pytest.mark.parametrize(
    ("changes", "pointer", "says"),
    [
        ({"asset": "no-such"}, "#/module", "There is no module “no-such”"),
        ({"project": "no-such"}, "#/project", "You are in no project “no-such”"),
        ({"options": {"speed": 3}}, "#/options/speed", "It has: jupyterlab, workers"),
        ({"arguments": {"epochs": 3}}, "#/arguments", "Only a training"),
        ({"memory_mb": 99_000}, "#/resources/memory_mb", "has 8,000 MB of memory even when it is empty"),
        ({"gpus": 1}, "#/resources/gpus", "no machine that can run this has one"),
        ({"datacenter": "moon"}, "#/datacenter", "no datacenter “moon”"),
        ({"kind": JobKind.BATCH, "arguments": {"a b": 1}}, "#/arguments/a b", "no name of an argument"),
    ],
)
def test_what_can_never_run_is_refused_at_the_value_to_blame(site, digits, ask, ada, changes, pointer, says):
    with pytest.raises(RequestRefused) as refused:
        services.deploy(ask(**changes), owner=ada)
    assert says in pointers(refused)[pointer]
    assert not Deployment.objects.exists()


def test_somebody_elses_project_looks_like_none(site, digits, ask, eve, ada):
    with pytest.raises(RequestRefused) as refused:
        services.deploy(ask(), owner=eve)
    assert "You are in no project" in pointers(refused)["#/project"]


def test_one_who_only_looks_deploys_nothing_and_stops_nothing(deployed, ask, bob):
    Membership.objects.filter(user=bob, project=deployed.project).update(role=Role.VIEWER)
    with pytest.raises(RequestRefused):
        services.deploy(ask(), owner=bob)
    for change in (services.stop, services.start, services.restart, services.delete, services.restore):
        with pytest.raises(PermissionDenied):
            change(deployed, bob)


def test_somebody_outside_the_project_changes_nothing(deployed, eve):
    with pytest.raises(PermissionDenied):
        services.stop(deployed, eve)


def test_bob_stops_what_ada_started_in_their_project(deployed, bob):
    services.stop(deployed, bob)
    assert deployed.status == Status.STOPPED
    assert deployed.events.last().actor == bob


def test_a_person_who_only_uses_modules_trains_none(site, digits, ask, ada):
    ada.level = Level.BASIC
    ada.save()
    with pytest.raises(RequestRefused) as refused:
        services.deploy(ask(kind=JobKind.BATCH), owner=ada)
    assert "not train them" in pointers(refused)["#/kind"]


# ── The same request again ───────────────────────────────────────────────────────────────────────
def test_the_same_key_and_request_is_the_same_deployment(site, digits, ask, ada, bob):
    first = services.deploy(ask(), owner=ada, idempotency_key="k")
    assert services.deploy(ask(), owner=ada, idempotency_key="k") == first
    assert services.deploy(ask(), owner=bob, idempotency_key="k") != first


def test_the_same_key_with_another_request_is_a_conflict(site, digits, ask, ada):
    services.deploy(ask(), owner=ada, idempotency_key="k")
    with pytest.raises(IdempotencyConflict):
        services.deploy(ask(memory_mb=301), owner=ada, idempotency_key="k")


def test_a_key_answers_even_when_the_module_is_gone(site, digits, ask, ada):
    first = services.deploy(ask(), owner=ada, idempotency_key="k")
    digits.delete()
    assert services.deploy(ask(), owner=ada, idempotency_key="k") == first


def test_a_key_of_yesterday_is_forgotten(site, digits, ask, ada):
    first = services.deploy(ask(), owner=ada, idempotency_key="k")
    IdempotencyKey.objects.update(created=timezone.now() - idempotency.KEY_LASTS)
    assert services.deploy(ask(memory_mb=301), owner=ada, idempotency_key="k") != first
    IdempotencyKey.objects.update(created=timezone.now() - idempotency.KEY_LASTS)
    cleaning.clean()
    assert not IdempotencyKey.objects.exists()


# ── Stop, start, delete, restore: repeatable ─────────────────────────────────────────────────────
def test_what_was_never_sent_stops_at_once_and_only_once(deployed, ada):
    for _ in range(2):
        services.stop(deployed, ada)
        assert deployed.status == Status.STOPPED
    assert deployed.events.filter(verb="stopped").count() == 1


def test_starting_what_is_queued_changes_nothing(deployed, ada):
    services.start(deployed, ada)
    assert deployed.starts == 1
    assert deployed.events.count() == 1


def test_starting_again_begins_anew(deployed, ada):
    Deployment.objects.update(status=Status.FAILED, reason="It broke.", allocation_id="a1", attempts=3, result={"x": 1})
    services.start(deployed, ada)
    assert deployed.status == Status.QUEUED
    assert (deployed.reason, deployed.allocation_id, deployed.attempts, deployed.result) == ("", "", 0, None)
    assert deployed.former_allocation_id == "a1"
    assert deployed.starts == 2


def test_starting_what_is_about_to_stop_starts_it_again_afterwards(deployed, ada):
    Deployment.objects.update(status=Status.RUNNING, attempts=1)
    services.stop(deployed, ada)
    assert (deployed.status, deployed.wanted) == (Status.STOPPING, False)
    services.start(deployed, ada)
    assert (deployed.status, deployed.wanted) == (Status.STOPPING, True)


def test_what_a_worker_is_sending_is_stopped_by_that_worker(deployed, ada):
    Deployment.objects.update(status=Status.SUBMITTING)
    services.stop(deployed, ada)
    assert (deployed.status, deployed.wanted) == (Status.SUBMITTING, False)


def test_what_was_put_back_may_be_there_after_all_and_is_stopped_there(deployed, ada):
    Deployment.objects.update(attempts=1)
    services.stop(deployed, ada)
    assert deployed.status == Status.STOPPING


def test_what_is_deleted_is_out_of_sight_and_can_be_restored(deployed, ada):
    for _ in range(2):
        services.delete(deployed, ada)
    assert not Deployment.objects.visible_to(ada).exists()
    assert deployed.events.filter(verb="deleted").count() == 1
    for _ in range(2):
        services.restore(deployed, ada)
    assert Deployment.objects.visible_to(ada).get() == deployed
    assert deployed.status == Status.QUEUED


def test_what_had_ended_is_restored_as_it_was(deployed, ada):
    services.stop(deployed, ada)
    services.delete(deployed, ada)
    services.restore(deployed, ada)
    assert deployed.status == Status.STOPPED


def test_after_ten_minutes_it_is_too_late(deployed, ada):
    services.delete(deployed, ada)
    Deployment.objects.update(deleted=timezone.now() - timedelta(minutes=10))
    with pytest.raises(NotPossibleNow, match="ten minutes"):
        services.restore(deployed, ada)


def test_a_title_that_is_missing_is_the_modules(site, digits, ask, ada):
    assert services.deploy(replace(ask(), title=""), owner=ada).title == "Digits"
