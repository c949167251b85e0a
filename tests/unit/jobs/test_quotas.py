"""What people and projects may hold at once, also when many ask at once."""

import threading

import pytest
from django.db import connection

from jobs import quotas, services
from jobs.models import Deployment
from jobs.refusals import QuotaExceeded


@pytest.fixture
def room_for_two(settings):
    settings.QUOTA_OF_PERSON = {"deployments": 2, "cpu_cores": 64, "memory_mb": 64_000, "gpus": 0}


def test_the_third_is_refused_with_whose_share_it_is(site, digits, ask, ada, room_for_two):
    for _ in range(2):
        services.deploy(ask(), owner=ada)
    with pytest.raises(QuotaExceeded, match="You hold 2 of 2 deployments and ask for 1 more"):
        services.deploy(ask(), owner=ada)
    assert Deployment.objects.count() == 2


def test_memory_counts_as_well(site, digits, ask, ada, settings):
    settings.QUOTA_OF_PERSON = {**settings.QUOTA_OF_PERSON, "memory_mb": 500}
    services.deploy(ask(memory_mb=300), owner=ada)
    with pytest.raises(QuotaExceeded, match="300 of 500 MB of memory"):
        services.deploy(ask(memory_mb=300), owner=ada)


def test_a_project_holds_what_all_its_people_hold(site, digits, ask, ada, bob, settings):
    settings.QUOTA_OF_PROJECT = {**settings.QUOTA_OF_PROJECT, "deployments": 1}
    services.deploy(ask(), owner=ada)
    with pytest.raises(QuotaExceeded, match="This project holds 1 of 1"):
        services.deploy(ask(), owner=bob)


def test_what_has_ended_frees_its_share(site, digits, ask, ada, room_for_two):
    first = services.deploy(ask(), owner=ada)
    services.deploy(ask(), owner=ada)
    services.stop(first, ada)
    services.deploy(ask(), owner=ada)


def test_starting_again_needs_room_too(site, digits, ask, ada, room_for_two):
    first = services.deploy(ask(), owner=ada)
    services.stop(first, ada)
    for _ in range(2):
        services.deploy(ask(), owner=ada)
    with pytest.raises(QuotaExceeded):
        services.start(first, ada)


def test_what_is_restored_without_room_stays_stopped_and_says_so(site, digits, ask, ada, room_for_two):
    first = services.deploy(ask(), owner=ada)
    services.delete(first, ada)
    for _ in range(2):
        services.deploy(ask(), owner=ada)
    services.restore(first, ada)
    assert first.status == "stopped"
    assert "It was restored, but not started" in first.reason


def test_meters_show_what_is_held(site, digits, ask, ada):
    services.deploy(ask(cpu_cores=1.5), owner=ada)
    held = {meter.name: meter.used for meter in quotas.meters(ada)}
    assert held == {"deployments": 1, "cpu_cores": 1.5, "memory_mb": 300, "gpus": 0, "home_mb": 0}


@pytest.mark.django_db(transaction=True)
def test_of_fifty_requests_at_once_exactly_two_find_room(site, digits, ask, ada, room_for_two):
    request, results, together = ask(), [], threading.Barrier(50)

    def one() -> None:
        together.wait()
        try:
            results.append(services.deploy(request, owner=ada))
        except QuotaExceeded as refused:
            results.append(refused)
        finally:
            connection.close()

    threads = [threading.Thread(target=one) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 50
    assert sum(isinstance(result, Deployment) for result in results) == 2
    assert Deployment.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_the_same_request_twenty_times_at_once_is_one_deployment(site, digits, ask, ada):
    request, results, together = ask(), [], threading.Barrier(20)

    def one() -> None:
        together.wait()
        results.append(services.deploy(request, owner=ada, idempotency_key="k").pk)
        connection.close()

    threads = [threading.Thread(target=one) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 20
    assert len(set(results)) == 1


@pytest.mark.django_db(transaction=True)
def test_of_fifty_requests_at_once_by_two_people_exactly_two_find_room_in_their_project(
    site, digits, ask, ada, bob, settings
):
    """Each request holds two shares, its person's and the project's: nobody waits for another for ever."""
    settings.QUOTA_OF_PROJECT = {**settings.QUOTA_OF_PROJECT, "deployments": 2}
    request, results, together = ask(project=ada.personal_project.slug), [], threading.Barrier(50)

    def one(owner: object) -> None:
        together.wait()
        try:
            results.append(services.deploy(request, owner=owner))
        except QuotaExceeded as refused:
            results.append(refused)
        finally:
            connection.close()

    threads = [threading.Thread(target=one, args=[person]) for person in (ada, bob) * 25]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 50
    assert sum(isinstance(result, Deployment) for result in results) == 2
    assert Deployment.objects.filter(project=ada.personal_project).count() == 2
