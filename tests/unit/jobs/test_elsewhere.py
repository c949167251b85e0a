"""A place that takes nothing is left for the next one, by who left the choice to Serai."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from datacenters.interface import (
    Forecast,
    JobNotFound,
    JobRejected,
    JobState,
    JobStatus,
    NamespaceMissing,
    Reason,
    Unreachable,
)
from datacenters.models import Cluster, Datacenter, Node
from jobs import elsewhere, news, projection, reconciling, services, submission
from jobs.models import Deployment, Status

pytestmark = pytest.mark.django_db


@pytest.fixture
def second(site) -> Datacenter:
    """A smaller place in another cluster, so that it is the second choice."""
    cluster = Cluster.objects.create(name="upc", address="http://127.0.0.1:1", local=True, reached=timezone.now())
    place = Datacenter.objects.create(name="upc", cluster=cluster, nomad_name="local", offers_packages=True)
    sizes = {"cpu_cores": 2, "cpu_mhz": 2_000, "memory_mb": 4_000, "disk_mb": 50_000, "used_cpu_mhz": 500}
    Node.objects.create(id=uuid.uuid4(), datacenter=place, name="two", ready=True, drivers=["raw_exec"], **sizes)
    return place


class Answering:
    """A cluster that answers as it is told to."""

    def __init__(
        self,
        *,
        before: Exception | None = None,
        instead: Exception | None = None,
        foresees: Forecast | Exception | None = None,
    ) -> None:
        self.before, self.instead, self.purged, self.sent = before, instead, [], 0
        self.foresees = foresees or Forecast(placeable=True)

    def ensure_namespace(self, namespace):
        if self.before:
            raise self.before

    def submit(self, spec, secrets):
        if self.instead:
            raise self.instead
        self.sent += 1
        return 7

    def plan(self, spec):
        if isinstance(self.foresees, Exception):
            raise self.foresees
        return self.foresees

    def stop(self, job_id, namespace):
        """It was never there."""

    def state(self, job_id, namespace):
        raise JobNotFound("No such job.")

    def purge(self, job_id, namespace):
        self.purged.append(job_id)


@pytest.fixture
def clusters(monkeypatch):
    """``clusters(ifca=…)``: how each answers; those not named take everything."""

    def answer(**named):
        every = {name: Answering() for name in ("ifca", "upc")} | named
        monkeypatch.setattr(submission, "adapter_for", lambda cluster, project=None: every[cluster.name])
        return every

    return answer


def history(deployment):
    return list(deployment.events.values_list("verb", flat=True))


def sent(deployment):
    for _try in range(2):
        submission.submit(deployment.pk)
    deployment.refresh_from_db()
    return deployment


@pytest.mark.parametrize(
    "trouble",
    [
        {"instead": JobRejected("Driver not allowed.")},
        {"before": Unreachable("The cluster cannot be reached.")},
        {"before": NamespaceMissing("serai-ada")},
    ],
)
def test_what_a_place_does_not_take_goes_to_the_next(second, digits, ask, ada, clusters, trouble):
    deployment = services.deploy(ask(), owner=ada)
    assert deployment.datacenter.name == "ifca"
    clusters(ifca=Answering(**trouble))
    deployment = sent(deployment)
    assert (deployment.status, deployment.datacenter.name) == (Status.PENDING, "upc")
    event = deployment.events.get(verb=elsewhere.MOVED)
    assert (event.evidence["from"], event.evidence["to"]) == ("ifca", "upc")
    assert "did not take it" in event.sentence


def test_a_job_that_was_refused_leaves_no_secrets_behind(second, digits, ask, ada, clusters):
    deployment = services.deploy(ask(), owner=ada)
    every = clusters(ifca=Answering(instead=JobRejected("Driver not allowed.")))
    sent(deployment)
    assert every["ifca"].purged == [deployment.job_id]


def test_a_place_chosen_by_name_is_kept(second, digits, ask, ada, clusters):
    deployment = services.deploy(ask(datacenter="ifca"), owner=ada)
    clusters(ifca=Answering(instead=JobRejected("Driver not allowed.")))
    deployment = sent(deployment)
    assert (deployment.status, deployment.reason) == (Status.FAILED, "Driver not allowed.")


def test_silence_in_the_middle_of_sending_waits_since_the_job_may_be_there(second, digits, ask, ada, clusters):
    deployment = services.deploy(ask(), owner=ada)
    clusters(ifca=Answering(instead=Unreachable("The cluster broke off.")))
    submission.submit(deployment.pk)
    deployment.refresh_from_db()
    assert (deployment.status, deployment.datacenter.name) == (Status.QUEUED, "ifca")
    assert elsewhere.MOVED not in history(deployment)


def test_a_silence_after_an_earlier_try_waits_as_well(second, digits, ask, ada, clusters):
    deployment = services.deploy(ask(), owner=ada)
    Deployment.objects.update(attempts=1)
    clusters(ifca=Answering(before=Unreachable("The cluster cannot be reached.")))
    submission.submit(deployment.pk)
    assert elsewhere.MOVED not in history(deployment)


def test_when_no_place_takes_it_the_last_one_says_why(second, digits, ask, ada, clusters):
    deployment = services.deploy(ask(), owner=ada)
    refuses = {"instead": JobRejected("Driver not allowed.")}
    clusters(ifca=Answering(**refuses), upc=Answering(**refuses))
    deployment = sent(deployment)
    assert (deployment.status, deployment.reason) == (Status.FAILED, "Driver not allowed.")
    assert history(deployment).count(elsewhere.MOVED) == 1


def test_a_project_without_a_namespace_is_told_what_its_operator_runs(site, digits, ask, ada, clusters):
    deployment = services.deploy(ask(), owner=ada)
    clusters(ifca=Answering(before=NamespaceMissing(deployment.namespace)))
    submission.submit(deployment.pk)
    deployment.refresh_from_db()
    assert deployment.status == Status.QUEUED
    assert f"nomad namespace apply {deployment.namespace}" in deployment.advice


# ── What the scheduler foresees ──────────────────────────────────────────────────────────────────
TAKEN = Reason("Another job holds it.", evidence={"scheduler": {"DimensionExhausted": {"memory": 1}}})
NEVER = Reason("Its node lacks a driver.", evidence={"scheduler": {"ConstraintFiltered": {"missing drivers": 1}}})


@pytest.mark.parametrize("reason", [TAKEN, NEVER])
def test_what_its_scheduler_would_not_start_goes_where_it_starts(second, digits, ask, ada, clusters, reason):
    deployment = services.deploy(ask(), owner=ada)
    every = clusters(ifca=Answering(foresees=Forecast(placeable=False, reason=reason)))
    deployment = sent(deployment)
    assert (deployment.status, deployment.datacenter.name) == (Status.PENDING, "upc")
    assert reason.sentence in deployment.events.get(verb=elsewhere.MOVED).sentence
    assert (every["ifca"].sent, every["upc"].sent) == (0, 1)


def test_what_is_only_taken_now_stays_where_nothing_else_would_start_it(second, digits, ask, ada, clusters):
    Node.objects.filter(datacenter=second).update(used_memory_mb=4_000)
    deployment = services.deploy(ask(), owner=ada)
    clusters(ifca=Answering(foresees=Forecast(placeable=False, reason=TAKEN)))
    deployment = sent(deployment)
    assert (deployment.status, deployment.datacenter.name) == (Status.PENDING, "ifca")


def test_what_it_never_takes_goes_even_where_it_must_wait(second, digits, ask, ada, clusters):
    Node.objects.filter(datacenter=second).update(used_memory_mb=4_000)
    deployment = services.deploy(ask(), owner=ada)
    clusters(ifca=Answering(foresees=Forecast(placeable=False, reason=NEVER)))
    assert sent(deployment).datacenter == second


@pytest.mark.parametrize("trouble", [Unreachable("It took too long."), JobRejected("Permission denied.")])
def test_a_scheduler_that_cannot_be_asked_hinders_nothing(second, digits, ask, ada, clusters, trouble):
    deployment = services.deploy(ask(), owner=ada)
    every = clusters(ifca=Answering(foresees=trouble))
    deployment = sent(deployment)
    assert (deployment.status, deployment.datacenter.name, every["ifca"].sent) == (Status.PENDING, "ifca", 1)


def test_what_may_be_there_already_is_not_sent_elsewhere_by_a_forecast(second, digits, ask, ada, clusters):
    deployment = services.deploy(ask(), owner=ada)
    Deployment.objects.update(attempts=1)
    clusters(ifca=Answering(foresees=Forecast(placeable=False, reason=NEVER)))
    assert sent(deployment).datacenter.name == "ifca"


# ── Waited for long enough ───────────────────────────────────────────────────────────────────────
def after(seconds):
    return timezone.now() + timedelta(seconds=seconds)


def test_what_waited_too_long_is_stopped_there_before_it_is_sent_elsewhere(second, digits, ask, ada, clusters):
    deployment = services.deploy(ask(max_wait_seconds=60), owner=ada)
    every = clusters()
    sent(deployment)
    submission.give_up_waiting(after(50))
    assert elsewhere.LEFT not in history(deployment)
    submission.give_up_waiting(after(70))
    deployment.refresh_from_db()
    assert (deployment.status, deployment.datacenter.name, deployment.wanted) == (Status.STOPPING, "ifca", True)
    assert every["upc"].sent == 0
    submission.withdraw(deployment.pk)  # it is seen to be gone
    deployment.refresh_from_db()
    assert (deployment.status, deployment.datacenter.name) == (Status.QUEUED, "upc")
    deployment = sent(deployment)
    assert (deployment.status, every["upc"].sent, every["ifca"].purged) == (Status.PENDING, 1, [deployment.job_id])
    assert "It waited 60 seconds at ifca." in deployment.events.get(verb=elsewhere.LEFT).sentence
    assert deployment.events.get(verb=elsewhere.MOVED).evidence["to"] == "upc"


def test_at_each_place_it_waits_anew_and_after_the_last_it_stops(second, digits, ask, ada, clusters):
    deployment = services.deploy(ask(max_wait_seconds=60), owner=ada)
    clusters()
    sent(deployment)
    submission.give_up_waiting(after(70))
    submission.withdraw(deployment.pk)
    sent(deployment)
    submission.give_up_waiting(after(50))
    deployment.refresh_from_db()
    assert deployment.status == Status.PENDING
    submission.give_up_waiting(after(140))
    submission.withdraw(deployment.pk)
    deployment.refresh_from_db()
    assert deployment.status == Status.STOPPED
    assert "within the 60 seconds" in deployment.reason


def test_whoever_stops_it_on_its_way_has_it_stopped(second, digits, ask, ada, clusters):
    deployment = services.deploy(ask(max_wait_seconds=60), owner=ada)
    clusters()
    sent(deployment)
    submission.give_up_waiting(after(70))
    services.stop(deployment, ada)
    submission.withdraw(deployment.pk)
    deployment.refresh_from_db()
    assert deployment.status == Status.STOPPED


def test_what_a_place_tells_that_it_has_left_is_its_past(second, digits, ask, ada, clusters, site):
    deployment = services.deploy(ask(), owner=ada)
    Deployment.objects.filter(pk=deployment.pk).update(status=Status.RUNNING, datacenter=second, job_index=5)
    late = JobState(deployment.job_id, deployment.namespace, JobStatus.FAILED, index=900)
    assert not news.take(Answering(), late, site.cluster)
    assert not projection.gone(deployment.pk, site.cluster)
    deployment.refresh_from_db()
    assert deployment.status == Status.RUNNING
    assert projection.gone(deployment.pk, second.cluster)


def test_a_job_that_still_runs_at_a_place_it_has_left_is_stopped_there(second, digits, ask, ada, site, monkeypatch):
    deployment = services.deploy(ask(), owner=ada)
    Deployment.objects.filter(pk=deployment.pk).update(status=Status.RUNNING, datacenter=second)
    state, stopped = JobState(deployment.job_id, deployment.namespace, JobStatus.RUNNING, index=900), []
    former = Answering()
    former.states, former.stop = lambda prefix: [state], lambda job_id, namespace: stopped.append(job_id)
    monkeypatch.setattr(reconciling, "adapter_for", lambda *_whose: former)
    reconciling.reconcile_cluster(site.cluster)
    assert stopped == [deployment.job_id]
    deployment.refresh_from_db()
    assert deployment.status == Status.RUNNING
