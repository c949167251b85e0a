"""Batch runs wait in the queue of their project when its share or the machines are full, and go when it is their turn."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from datacenters.jobspec import JobKind
from datacenters.models import Cluster, Node
from jobs import admission, quotas, services, submission
from jobs.models import Deployment, Status
from jobs.placement import ANY_GPU
from jobs.refusals import QuotaExceeded

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("site", "digits")]


@pytest.fixture
def room_for(settings):
    """``room_for(2)``: a person's share, in deployments."""

    def most(count: int, **more: float) -> None:
        settings.QUOTA_OF_PERSON = {**settings.QUOTA_OF_PERSON, "deployments": count, **more}

    return most


@pytest.fixture
def train(ask):
    def begin(person, **more) -> Deployment:
        return services.deploy(ask(kind=JobKind.BATCH, cpu_cores=0.1, memory_mb=100, **more), owner=person)

    return begin


def ends(deployment: Deployment) -> None:
    Deployment.objects.filter(pk=deployment.pk).update(status=Status.COMPLETED, ended=timezone.now())


def waits(deployment: Deployment) -> bool:
    deployment.refresh_from_db()
    return deployment.held_since is not None


# ── A full share ─────────────────────────────────────────────────────────────────────────────────
def test_a_training_beyond_adas_share_waits_and_says_where_it_stands(ada, train, room_for):
    room_for(1)
    first, second, third = train(ada), train(ada), train(ada)
    assert (waits(first), waits(second), waits(third)) == (False, True, True)
    assert second.status == Status.QUEUED
    assert "You hold 1 of 1 deployments" in second.reason
    admission.release()
    assert waits(third)
    assert f"in the queue of {ada.personal_project}, at place 2 of 2." in third.reason
    assert (third.evidence["place"], third.evidence["of"]) == (2, 2)


def test_it_goes_by_itself_once_another_has_ended(ada, train, room_for):
    room_for(1)
    first, second, third = train(ada), train(ada), train(ada)
    assert admission.release() == 0
    ends(first)
    assert admission.release() == 1
    assert (waits(second), waits(third)) == (False, True)
    assert second.reason == ""
    assert "Its turn has come. It goes to ifca." in second.events.get(verb="admitted").sentence
    assert second in Deployment.objects.due()
    assert third.evidence["place"] == 1


def test_what_waits_is_sent_by_no_worker_and_holds_no_share(ada, train, room_for):
    room_for(1)
    train(ada)
    second = train(ada)
    assert submission.claim(second.pk) is None
    assert quotas.meters(ada)[0].used == 1


def test_a_service_is_refused_as_ever(ada, ask, room_for):
    room_for(1)
    services.deploy(ask(), owner=ada)
    with pytest.raises(QuotaExceeded, match="You hold 1 of 1 deployments"):
        services.deploy(ask(), owner=ada)


def test_what_would_never_fit_its_share_is_refused_at_once(ada, ask, room_for):
    room_for(5, cpu_cores=2)
    with pytest.raises(QuotaExceeded, match="You may hold at most 2 CPU cores, and 4 are asked for"):
        services.deploy(ask(kind=JobKind.BATCH, cpu_cores=4), owner=ada)


def test_where_the_operator_wants_no_queue_it_is_refused(ada, train, room_for, settings):
    settings.QUEUE_LENGTH = 0
    room_for(1)
    train(ada)
    with pytest.raises(QuotaExceeded):
        train(ada)


def test_a_queue_does_not_grow_for_ever(ada, train, room_for, settings):
    settings.QUEUE_LENGTH = 2
    room_for(1)
    for _ in range(3):
        train(ada)
    with pytest.raises(QuotaExceeded, match="2 runs of this project wait already"):
        train(ada)


def test_whoever_stops_what_waits_has_it_stopped_at_once(ada, train, room_for):
    room_for(1)
    train(ada)
    second = services.stop(train(ada), ada)
    assert second.status == Status.STOPPED
    assert admission.places_in(ada.personal_project) == []


def test_who_allowed_only_a_minute_waits_no_longer_here_either(ada, train, room_for):
    room_for(1)
    train(ada)
    second = train(ada, max_wait_seconds=60)
    submission.give_up_waiting(timezone.now() + timedelta(seconds=70))
    second.refresh_from_db()
    assert second.status == Status.STOPPED
    assert "within the 60 seconds" in second.reason


# ── Fair shares ──────────────────────────────────────────────────────────────────────────────────
def test_bobs_one_run_goes_before_adas_fifth(ada, bob, ask, settings):
    settings.QUOTA_OF_PROJECT = {**settings.QUOTA_OF_PROJECT, "deployments": 1}
    request = ask(kind=JobKind.BATCH, cpu_cores=0.1, memory_mb=100)
    first, *rest = [services.deploy(request, owner=ada) for _ in range(4)]
    bobs = services.deploy(request, owner=bob)
    ends(first)
    assert [row.owner for row in admission.queue_of(ada.personal_project, "")] == [ada, bob, ada, ada]
    admission.release()
    assert not waits(rest[0])
    assert admission.queue_of(ada.personal_project, "")[0] == bobs


def test_a_person_whose_own_share_is_full_lets_others_pass(ada, bob, ask, room_for):
    room_for(1)
    request = ask(kind=JobKind.BATCH, cpu_cores=0.1, memory_mb=100)
    services.deploy(request, owner=ada)
    adas = services.deploy(request, owner=ada)
    bobs = services.deploy(request, owner=bob)
    assert waits(bobs)  # others wait before it
    admission.release()
    assert (waits(adas), waits(bobs)) == (True, False)


def test_what_no_place_takes_any_more_lets_others_pass_and_says_why(ada, bob, ask, settings):
    settings.QUOTA_OF_PROJECT = {**settings.QUOTA_OF_PROJECT, "deployments": 1}
    small = ask(kind=JobKind.BATCH, cpu_cores=0.1, memory_mb=100)
    first = services.deploy(small, owner=ada)
    large = services.deploy(ask(kind=JobKind.BATCH, cpu_cores=3, memory_mb=100), owner=ada)
    bobs = services.deploy(small, owner=bob)
    Node.objects.update(cpu_cores=2, cpu_mhz=2_000)  # the large machine was taken away
    ends(first)
    assert admission.release() == 1
    assert (waits(large), waits(bobs)) == (True, False)
    assert "3 CPU cores were asked for; the largest machine, in ifca, has 2 CPU cores" in large.reason


# ── Full machines ────────────────────────────────────────────────────────────────────────────────
def test_where_every_machine_is_full_a_training_waits_here_and_not_there(ada, train, site):
    Node.objects.update(used_memory_mb=8_000)
    run = train(ada)
    assert waits(run)
    assert "Waits until something ends there" in run.reason
    Node.objects.update(used_memory_mb=0)
    assert admission.release() == 1
    assert not waits(run)


def test_what_was_let_in_counts_before_the_machine_says_so(ada, ask):
    """Figures are some seconds old: of ten that come at once, only as many go as there is room for."""
    request = ask(kind=JobKind.BATCH, cpu_cores=1.5, memory_mb=100)
    runs = [services.deploy(request, owner=ada) for _ in range(5)]
    assert [waits(run) for run in runs] == [False, False, True, True, True]
    assert admission.release() == 0


def test_what_has_just_ended_frees_its_machine_before_that_says_so(ada, ask, site):
    """Or each run would wait for the next figures, although there is room."""
    running = services.deploy(ask(kind=JobKind.BATCH, cpu_cores=3, memory_mb=100), owner=ada)
    began = timezone.now() - timedelta(minutes=1)
    Node.objects.update(used_cpu_mhz=3_000, used_memory_mb=100, used_disk_mb=200)
    Deployment.objects.filter(pk=running.pk).update(status=Status.RUNNING, submitted=began, started=began)
    following = services.deploy(ask(kind=JobKind.BATCH, cpu_cores=3, memory_mb=100), owner=ada)
    assert waits(following)
    ends(running)
    assert admission.release() == 1
    assert not waits(following)


def test_a_place_that_does_not_answer_keeps_nothing_here(ada, train):
    Node.objects.update(used_memory_mb=8_000)
    Cluster.objects.update(unreachable_since=timezone.now())
    assert not waits(train(ada))


# ── When it may start ────────────────────────────────────────────────────────────────────────────
def test_it_guesses_from_how_long_others_ran_and_only_from_three_on(ada, train, room_for):
    room_for(1)
    now = timezone.now()
    for number in range(3):
        run = train(ada)
        began = now - timedelta(hours=2 * number + 2)
        Deployment.objects.filter(pk=run.pk).update(
            status=Status.COMPLETED, started=began, ended=began + timedelta(hours=1), held_since=None
        )
        if number < 2:
            assert admission.queue.typical_run(ada.personal_project, "") is None
    train(ada)
    train(ada)
    train(ada)
    first, second = admission.places_in(ada.personal_project)
    assert timedelta(minutes=59) < first.expected - now < timedelta(minutes=61)
    assert timedelta(minutes=119) < second.expected - now < timedelta(minutes=121)
    admission.release()
    second.deployment.refresh_from_db()
    assert "It may start at about" in second.deployment.reason


def test_each_gpu_model_has_a_queue_of_its_own(ada, train, room_for):
    room_for(1)
    rows = [train(ada), train(ada), train(ada)]
    for row, model in zip(rows[1:], ("A100", ""), strict=True):
        row.request["resources"] |= {"gpus": 1, "gpu_model": model}
        row.save()
    assert admission.queue_of(ada.personal_project, "A100") == [rows[1]]
    assert admission.queue_of(ada.personal_project, ANY_GPU) == [rows[2]]
    assert [(place.model, place.number) for place in admission.places_in(ada.personal_project)] == [
        ("A100", 1),
        (ANY_GPU, 1),
    ]
    admission.release()
    rows[1].refresh_from_db()
    assert "for A100, at place 1 of 1" in rows[1].reason


# ── Many at once ─────────────────────────────────────────────────────────────────────────────────
@pytest.mark.django_db(transaction=True)
def test_fifty_at_once_and_workers_beside_never_pass_the_share(ada, ask, room_for):
    room_for(7)
    request, most, errors = ask(kind=JobKind.BATCH, cpu_cores=0.01, memory_mb=10, disk_mb=10), [], []

    def run(act) -> None:
        try:
            act()
            most.append(quotas.meters(ada)[0].used)
        except Exception as error:  # noqa: BLE001  told below
            errors.append(error)
        finally:
            connection.close()

    acts = [lambda: services.deploy(request, owner=ada)] * 50 + [admission.release] * 5
    threads = [threading.Thread(target=run, args=[act]) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert max(most) == 7
    assert Deployment.objects.filter(held_since=None).count() == 7
    assert Deployment.objects.filter(held_since__isnull=False).count() == 43
