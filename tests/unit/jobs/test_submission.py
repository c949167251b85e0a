"""Sending, and every point at which it can break off: nothing is lost, nothing runs twice."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from datacenters.interface import JobNotFound, JobRejected, JobStatus, Unreachable
from jobs import services, submission
from jobs.models import Deployment, Status

pytestmark = pytest.mark.django_db


class Killed(BaseException):
    """As if the worker's process ended here."""


class Border:
    """A cluster's adapter with something that happens on the way to it, or on the way back."""

    def __init__(self, real, **broken: BaseException) -> None:
        self._real, self._broken, self.sent = real, broken, 0

    def __getattr__(self, name):
        return getattr(self._real, name)

    def ensure_namespace(self, namespace):
        if "before" in self._broken:
            raise self._broken["before"]
        self._real.ensure_namespace(namespace)

    def submit(self, spec, secrets):
        if "instead" in self._broken:
            raise self._broken["instead"]
        index = self._real.submit(spec, secrets)
        self.sent += 1
        if "after" in self._broken:
            raise self._broken["after"]
        return index


@pytest.fixture
def border(world, monkeypatch) -> Iterator[object]:
    """``border(after=Killed())``: what the next worker meets; ``border()`` heals it."""

    def between(**broken: BaseException) -> Border:
        adapter = Border(world.adapter, **broken)
        monkeypatch.setattr(submission, "adapter_for", lambda cluster, project=None: adapter)
        return adapter

    return between


def let_the_claim_run_out(deployment):
    Deployment.objects.filter(pk=deployment.pk).update(claimed_until=timezone.now() - timedelta(seconds=1))


def jobs_of(world, deployment):
    return list(world.adapter.states(deployment.job_id))


def verbs(deployment):
    return list(deployment.events.values_list("verb", flat=True))


# ── Claims ───────────────────────────────────────────────────────────────────────────────────────
def test_of_two_workers_one_gets_the_claim(deployed):
    assert submission.claim(deployed.pk) is not None
    assert submission.claim(deployed.pk) is None


def test_a_claim_that_ran_out_is_taken_over_and_the_first_worker_has_no_say_any_more(deployed):
    first = submission.claim(deployed.pk)
    let_the_claim_run_out(deployed)
    second = submission.claim(deployed.pk)
    assert second is not None
    assert "taken over" in verbs(deployed)
    assert not first.row.exists()
    assert second.row.exists()


def test_what_ends_every_worker_that_tries_it_fails_in_the_end(deployed):
    for _ in range(submission.TAKEOVERS + 1):
        assert submission.claim(deployed.pk)
        let_the_claim_run_out(deployed)
    submission.submit(deployed.pk)
    deployed.refresh_from_db()
    assert deployed.status == Status.FAILED
    assert "broke off 5 times" in deployed.reason


# ── The worker is killed ─────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("moment", ["before", "instead", "after"])
def test_a_worker_killed_while_sending_loses_nothing_and_doubles_nothing(world, border, moment):
    service = world.deploy()
    border(**{moment: Killed()})
    with pytest.raises(Killed):
        submission.submit(service.pk)
    service.refresh_from_db()
    assert service.status == Status.SUBMITTING

    border()
    submission.submit(service.pk)  # the claim still holds
    service.refresh_from_db()
    assert service.status == Status.SUBMITTING

    let_the_claim_run_out(service)
    world.until(service, Status.RUNNING)
    assert len(jobs_of(world, service)) == 1
    assert verbs(service).count("submitted") == 1


def test_a_worker_killed_after_sending_may_be_overtaken_by_the_news(world, border):
    service = world.deploy()
    border(after=Killed())
    with pytest.raises(Killed):
        submission.submit(service.pk)
    border()
    world.until(service, Status.RUNNING)  # long before the claim runs out


def test_a_stop_that_came_while_its_worker_was_killed_stops_it(world, border, ada):
    service = world.deploy()
    border(after=Killed())
    with pytest.raises(Killed):
        submission.submit(service.pk)
    border()
    services.stop(service, ada)
    let_the_claim_run_out(service)
    world.until(service, Status.STOPPED)
    assert [state.status for state in jobs_of(world, service)] in ([], [JobStatus.STOPPED])


def test_a_stop_while_a_worker_sends_is_done_right_after(world, border, ada):
    service = world.deploy()
    claimed = submission.claim(service.pk)
    services.stop(service, ada)
    submission.send(claimed)
    world.until(service, Status.STOPPED)


# ── The datacenter does not answer, or says no ───────────────────────────────────────────────────
def test_what_cannot_be_sent_now_is_put_back_with_a_reason_and_sent_later(world, border):
    service = world.deploy()
    border(instead=Unreachable("no route"))
    submission.submit(service.pk)
    service.refresh_from_db()
    assert service.status == Status.QUEUED
    assert "does not answer" in service.reason
    assert service.not_before > timezone.now()
    assert not Deployment.objects.due().exists()
    border()
    Deployment.objects.update(not_before=timezone.now())
    world.until(service, Status.RUNNING)
    assert service.reason == ""


def test_it_is_tried_less_and_less_often_and_told_once(deployed, monkeypatch):
    waits = []
    for _ in range(8):
        Deployment.objects.update(not_before=None)
        submission.submit(deployed.pk)  # nothing listens at this site's address
        deployed.refresh_from_db()
        assert deployed.status == Status.QUEUED
        waits.append(round((deployed.not_before - timezone.now()).total_seconds()))
    assert waits == [2, 5, 10, 20, 40, 60, 60, 60]
    assert verbs(deployed).count("put back") == 1


def test_an_answer_that_was_lost_runs_nothing_twice(world, border):
    service = world.deploy()
    border(after=Unreachable("the answer timed out"))
    submission.submit(service.pk)
    border()
    Deployment.objects.update(not_before=timezone.now())
    submission.submit(service.pk)
    world.until(service, Status.RUNNING)
    assert len(jobs_of(world, service)) == 1


def test_what_the_datacenter_refuses_fails_with_its_words(world, border):
    service = world.deploy()
    border(instead=JobRejected("The datacenter refuses this job: driver not allowed."))
    submission.submit(service.pk)
    service.refresh_from_db()
    assert service.status == Status.FAILED
    assert service.reason == "The datacenter refuses this job: driver not allowed."


def test_a_module_that_left_the_marketplace_cannot_be_sent(deployed, digits):
    digits.delete()
    submission.submit(deployed.pk)
    deployed.refresh_from_db()
    assert deployed.status == Status.FAILED
    assert "no longer in the marketplace" in deployed.reason


def test_a_datacenter_that_cannot_be_told_to_stop_is_told_later(deployed, ada):
    Deployment.objects.update(status=Status.RUNNING, attempts=1)
    services.stop(deployed, ada)
    submission.withdraw(deployed.pk)
    deployed.refresh_from_db()
    assert deployed.status == Status.STOPPING
    assert "it is told to stop this as soon as it does" in deployed.reason
    assert deployed.not_before > timezone.now()


def test_what_was_never_there_counts_as_stopped(world, ada):
    service = world.deploy()
    Deployment.objects.filter(pk=service.pk).update(attempts=1)
    services.stop(service, ada)
    submission.withdraw(service.pk)
    service.refresh_from_db()
    assert service.status == Status.STOPPED
    with pytest.raises(JobNotFound):
        world.adapter.state(service.job_id, service.namespace)


def test_a_job_that_a_lost_worker_sent_too_late_is_stopped(world, ada):
    service = world.deploy()
    spec_and_secrets = submission.compile_deployment(Deployment.objects.with_parts().get(pk=service.pk))
    services.stop(service, ada)
    Deployment.objects.filter(pk=service.pk).update(ended=timezone.now() - timedelta(minutes=5))
    world.adapter.ensure_namespace(service.namespace)
    world.adapter.submit(*spec_and_secrets)
    world.until(service, lambda row: jobs_of(world, row)[0].status is JobStatus.STOPPED)


# ── Waiting ──────────────────────────────────────────────────────────────────────────────────────
def test_who_allowed_only_a_minute_of_waiting_waits_no_longer(site, digits, ask, ada):
    impatient = services.deploy(ask(max_wait_seconds=60), owner=ada)
    patient = services.deploy(ask(), owner=ada)
    submission.give_up_waiting(timezone.now())
    impatient.refresh_from_db()
    assert impatient.status == Status.QUEUED
    submission.give_up_waiting(timezone.now() + timedelta(seconds=61))
    impatient.refresh_from_db()
    patient.refresh_from_db()
    assert impatient.status == Status.STOPPED
    assert "within the 60 seconds" in impatient.reason
    assert patient.status == Status.QUEUED


def test_the_sweep_rings_for_what_was_forgotten(deployed, monkeypatch):
    rung = []
    monkeypatch.setattr(submission.doorbell, "ring", lambda task, pk, **_: rung.append((task, pk)))
    submission.sweep()
    Deployment.objects.update(status=Status.STOPPING)
    submission.sweep()
    assert rung == [("jobs.tasks.submit", deployed.pk), ("jobs.tasks.withdraw", deployed.pk)]
