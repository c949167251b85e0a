"""Several who look at one sweep at the same moment, and one who dies in the middle of it."""

import threading
from collections.abc import Callable

import pytest
from django.db import IntegrityError, connection, transaction

from datacenters.jobspec import JobKind
from jobs import services, sweeps
from jobs.models import Deployment, Status, Sweep

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("site", "digits")]


@pytest.fixture
def begin(ask, ada):
    def start(count: int, at_once: int) -> Sweep:
        request = ask(kind=JobKind.BATCH, cpu_cores=0.1)
        return sweeps.start_sweep(request, [{"epochs": n} for n in range(count)], at_once=at_once, owner=ada)

    return start


def at_once(*acts: Callable[[], object]) -> list[object]:
    """What each gave; all begin together."""
    results: list[object] = []
    together = threading.Barrier(len(acts))

    def run(act: Callable[[], object]) -> None:
        together.wait()
        try:
            results.append(act())
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[act]) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == len(acts)
    return results


def test_eight_workers_that_look_at_once_start_each_training_once(begin):
    sweep = begin(12, at_once=3)
    sweep.deployments.update(status=Status.COMPLETED)
    started = at_once(*[lambda: sweeps.advance(sweep.pk)] * 8)
    assert sum(started) == 3
    assert sorted(sweep.deployments.values_list("sweep_place", flat=True)) == [0, 1, 2, 3, 4, 5]


def test_no_training_starts_after_the_sweep_was_stopped(begin, ada):
    sweep = begin(12, at_once=3)
    sweep.deployments.update(status=Status.COMPLETED)
    stop = [lambda: sweeps.stop_sweep(Sweep.objects.get(pk=sweep.pk), ada)]
    at_once(*stop, *[lambda: sweeps.advance(sweep.pk)] * 5)
    count = sweep.deployments.count()
    assert not sweep.deployments.live().filter(wanted=True).exists()
    assert sweeps.advance(sweep.pk) == 0
    assert sweep.deployments.count() == count


def test_the_quota_holds_against_two_sweeps_at_once(begin, settings):
    settings.QUOTA_OF_PERSON = {**settings.QUOTA_OF_PERSON, "deployments": 4}
    first, second = begin(6, at_once=1), begin(6, at_once=1)
    Sweep.objects.update(at_once=6)
    at_once(*[lambda: sweeps.advance(first.pk), lambda: sweeps.advance(second.pk)] * 3)
    assert Deployment.objects.live().count() == 4


def test_a_worker_that_dies_while_it_starts_one_leaves_nothing_half_done(begin, monkeypatch):
    sweep = begin(4, at_once=2)
    sweep.deployments.update(status=Status.COMPLETED)
    write = services._write

    def killed(*args, **kwargs):
        write(*args, **kwargs)
        raise SystemExit(137)

    monkeypatch.setattr(services, "_write", killed)
    with pytest.raises(SystemExit):
        sweeps.advance(sweep.pk)
    monkeypatch.setattr(services, "_write", write)
    assert sweep.deployments.count() == 2
    assert sweeps.advance(sweep.pk) == 2


def test_the_table_itself_refuses_a_second_deployment_of_a_variant(begin):
    sweep = begin(2, at_once=1)
    twin = sweep.deployments.get()
    twin.pk = None
    with pytest.raises(IntegrityError, match=r"sweep_place|one_deployment_per_variant"), transaction.atomic():
        twin.save(force_insert=True)
