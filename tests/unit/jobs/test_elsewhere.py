"""A place that takes nothing is left for the next one, by who left the choice to Serai."""

import uuid

import pytest
from django.utils import timezone

from datacenters.interface import JobRejected, NamespaceMissing, Unreachable
from datacenters.models import Cluster, Datacenter, Node
from jobs import elsewhere, services, submission
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

    def __init__(self, *, before: Exception | None = None, instead: Exception | None = None) -> None:
        self.before, self.instead, self.purged = before, instead, []

    def ensure_namespace(self, namespace):
        if self.before:
            raise self.before

    def submit(self, spec, secrets):
        if self.instead:
            raise self.instead
        return 7

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
