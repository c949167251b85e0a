"""The worker is killed with -9 at any moment of sending, its broker goes: nothing is lost, nothing runs twice."""

import time
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from datacenters.services import adapter_for
from jobs import doorbell, services
from jobs.models import Deployment, Status
from tests.fake_modules import ANSWERS

from .conftest import verbs
from .proxy import Held, in_turn
from .site import wait_for

pytestmark = pytest.mark.slow

COUNTS = ANSWERS.replace("import http.server", "print('begun', flush=True)\nimport http.server", 1)
SENDING = "POST /v1/jobs"


@pytest.fixture
def lives(each_broker, doubtful_cluster, module):
    """How often the program of a deployment has begun, by all that it wrote."""
    module("counts", serve=COUNTS)

    def count(deployment):
        adapter = adapter_for(doubtful_cluster)
        jobs = adapter.states(deployment.job_id)
        assert len(jobs) == 1
        return adapter.log(jobs[0].allocation_id, deployment.namespace, "main", "stdout").count(b"begun")

    return count


@contextmanager
def busy_database():
    """Nobody else writes to deployments while this test holds them."""
    with transaction.atomic():
        # SQLite: the one write lock. PostgreSQL: the lock of each row.
        list(Deployment.objects.select_for_update())
        yield


def test_a_worker_killed_at_any_moment_of_sending_loses_nothing_and_doubles_nothing(
    each_broker, proxy, lives, ask, ada
):
    site = each_broker

    def deployed():
        return services.deploy(ask("counts"), owner=ada)

    def killed(worker, *held):
        worker.kill()
        proxy.faults.clear()
        for call in held:
            call.go.set()

    before_its_claim, worker = deployed(), site.worker()
    with busy_database():
        site.ring(doorbell.SUBMIT, before_its_claim.pk)
        wait_for(lambda: not site.messages(), explain=worker.said)
        time.sleep(0.3)
        killed(worker)
    before_its_claim.refresh_from_db()
    # PostgreSQL finishes what a client had asked of it, also when that client is dead.
    assert before_its_claim.status in (Status.QUEUED, Status.SUBMITTING)
    Deployment.objects.filter(pk=before_its_claim.pk).update(not_before=timezone.now() + timedelta(hours=1))

    # Two at a time: a worker has two threads.
    with_its_claim, on_the_way, worker = deployed(), deployed(), site.worker()
    asking, sending = Held(), Held()
    proxy.faults = {"GET /v1/namespaces": in_turn(asking), SENDING: in_turn(sending)}
    for deployment, held in ((with_its_claim, asking), (on_the_way, sending)):
        site.ring(doorbell.SUBMIT, deployment.pk)
        assert held.came.wait(20), site.said()
    killed(worker, asking, sending)

    before_the_answer, before_it_was_written_down, worker = deployed(), deployed(), site.worker()
    first, second = Held(after=True), Held(after=True)
    proxy.faults = {SENDING: in_turn(first, second)}
    for deployment, held in ((before_the_answer, first), (before_it_was_written_down, second)):
        site.ring(doorbell.SUBMIT, deployment.pk)
        assert held.came.wait(20), site.said()
    with busy_database():
        second.go.set()
        time.sleep(0.5)
        killed(worker, first)

    broken_off = [with_its_claim, on_the_way, before_the_answer, before_it_was_written_down]
    for deployment in broken_off:
        deployment.refresh_from_db()
        assert deployment.status == Status.SUBMITTING
    Deployment.objects.update(not_before=None)
    Deployment.objects.exclude(claimed_until=None).update(claimed_until=timezone.now() - timedelta(seconds=1))

    site.worker()  # nobody rings: it finds the rows
    for deployment in (before_its_claim, *broken_off):
        site.until(deployment, Status.PENDING)
        assert verbs(deployment).count("submitted") == 1
    for deployment in (before_its_claim, *broken_off):
        wait_for(lambda deployment=deployment: lives(deployment) == 1)
    time.sleep(1)
    assert [lives(deployment) for deployment in (before_its_claim, *broken_off)] == [1] * 5
