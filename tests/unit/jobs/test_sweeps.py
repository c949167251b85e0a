"""One training with several values: what starts when, what waits, and what several workers do at once."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from accounts.models import AuditEvent, Membership, Role
from datacenters.jobspec import JobKind
from jobs import doorbell, services, sweeps
from jobs.models import Deployment, Status, Sweep, as_json
from jobs.refusals import RequestRefused
from jobs.requests import DatasetRequest, StorageRequest, request_of

pytestmark = pytest.mark.usefixtures("site", "digits")
FOUR = [{"epochs": 1}, {"epochs": 2}, {"epochs": 3}, {"epochs": 4}]


@pytest.fixture
def begin(ask, ada):
    """A sweep of Ada's: ``begin(FOUR, at_once=2)``."""

    def start(variants, *, at_once: int = 2, **changes: object) -> Sweep:
        request = ask(kind=JobKind.BATCH, cpu_cores=0.1, **changes)
        return sweeps.start_sweep(request, variants, at_once=at_once, owner=ada)

    return start


def end(sweep: Sweep, place: int, status: Status = Status.COMPLETED) -> None:
    sweep.deployments.filter(sweep_place=place).update(status=status, ended=timezone.now())


def places(sweep: Sweep) -> list[int]:
    return sorted(sweep.deployments.values_list("sweep_place", flat=True))


def test_as_many_start_as_may_run_at_once(begin, ada):
    sweep = begin(FOUR)
    assert places(sweep) == [0, 1]
    first = sweep.deployments.get(sweep_place=0)
    assert first.status == Status.QUEUED
    assert first.request["arguments"] == {"epochs": 1}
    assert first.title == "Digits · epochs=1"
    assert AuditEvent.objects.get(action="sweep.created").project == ada.personal_project


def test_the_next_starts_as_one_ends_however_it_ended(begin):
    sweep = begin(FOUR)
    for place, status in enumerate((Status.FAILED, Status.COMPLETED, Status.STOPPED)):
        end(sweep, place, status)
        sweeps.advance(sweep.pk)
    assert places(sweep) == [0, 1, 2, 3]
    sweep.refresh_from_db()
    assert sweep.ended is None
    end(sweep, 3)
    sweeps.advance(sweep.pk)
    sweep.refresh_from_db()
    assert sweep.ended


def test_looking_again_starts_nothing_twice(begin):
    sweep = begin(FOUR)
    assert [sweeps.advance(sweep.pk) for _ in range(3)] == [0, 0, 0]
    assert places(sweep) == [0, 1]


def test_a_variants_arguments_go_over_those_that_all_share(begin):
    sweep = begin([{"epochs": 7}], arguments={"epochs": 1, "seed": 5})
    assert sweep.deployments.get().request["arguments"] == {"epochs": 7, "seed": 5}


def test_what_is_over_the_quota_waits_and_says_why(begin, settings):
    settings.QUOTA_OF_PERSON = {**settings.QUOTA_OF_PERSON, "deployments": 1}
    sweep = begin(FOUR, at_once=3)
    assert places(sweep) == [0]
    assert sweep.reason.startswith("The next training waits. You hold 1 of 1 deployments")
    end(sweep, 0)
    sweeps.advance(sweep.pk)
    assert places(sweep) == [0, 1]


def test_room_that_others_leave_is_used_by_the_next_look(begin, ask, ada, settings):
    settings.QUOTA_OF_PERSON = {**settings.QUOTA_OF_PERSON, "deployments": 1}
    other = services.deploy(ask(), owner=ada)
    sweep = begin(FOUR)
    assert places(sweep) == []
    services.stop(other, ada)
    sweeps.advance(sweep.pk)
    sweep.refresh_from_db()
    assert places(sweep) == [0]


def test_a_module_that_went_away_meanwhile_is_said_and_the_rest_goes_on_when_it_is_back(begin, digits):
    sweep = begin(FOUR)
    digits.gone = timezone.now()
    digits.save()
    end(sweep, 0)
    sweeps.advance(sweep.pk)
    sweep.refresh_from_db()
    assert "There is no module “digits”" in sweep.reason
    digits.gone = None
    digits.save()
    sweeps.advance(sweep.pk)
    sweep.refresh_from_db()
    assert (places(sweep), sweep.reason) == ([0, 1, 2], "")


def test_a_stopped_sweep_stops_what_runs_and_starts_no_more(begin, ada):
    sweep = begin(FOUR)
    for _ in range(2):
        sweeps.stop_sweep(sweep, ada)
    assert set(sweep.deployments.values_list("status", flat=True)) == {Status.STOPPED}
    assert sweep.deployments.first().reason == "The sweep that it belongs to was stopped."
    assert sweeps.advance(sweep.pk) == 0
    assert places(sweep) == [0, 1]
    assert sweep.ended
    assert AuditEvent.objects.filter(action="sweep.stopped").count() == 1


def test_whoever_dies_while_stopping_it_is_helped_by_the_next_look(begin):
    sweep = begin(FOUR)
    Sweep.objects.update(stopped=timezone.now())
    sweeps.advance(sweep.pk)
    assert set(sweep.deployments.values_list("status", flat=True)) == {Status.STOPPED}
    sweep.refresh_from_db()
    assert sweep.ended


def test_one_that_is_started_again_after_the_stop_may_run(begin, ada):
    sweep = begin(FOUR)
    sweeps.stop_sweep(sweep, ada)
    training = sweep.deployments.first()
    services.start(training, ada)
    sweeps.advance(sweep.pk)
    training.refresh_from_db()
    assert (training.status, training.wanted) == (Status.QUEUED, True)


def test_a_deleted_training_keeps_its_place(begin, ada):
    sweep = begin(FOUR, at_once=1)
    services.delete(sweep.deployments.get(), ada)
    sweeps.advance(sweep.pk)
    assert places(sweep) == [0, 1]


def test_the_sweep_of_an_archived_project_comes_to_its_end(begin, ada):
    sweep = begin(FOUR, at_once=1)
    services.stop(sweep.deployments.get(), ada)
    type(sweep.project).objects.filter(pk=sweep.project_id).update(archived=timezone.now())
    sweeps.advance(sweep.pk)
    sweep.refresh_from_db()
    assert sweep.ended
    assert sweep.reason == "Its project was archived."


def test_nobody_trains_for_somebody_who_left(begin, ada):
    sweep = begin(FOUR, at_once=1)
    end(sweep, 0)
    type(ada).objects.filter(pk=ada.pk).update(is_active=False)
    sweeps.advance(sweep.pk)
    sweep.refresh_from_db()
    assert places(sweep) == [0]
    assert "has left" in sweep.reason


def test_who_only_looks_or_is_outside_stops_nothing(begin, bob, eve):
    sweep = begin(FOUR)
    Membership.objects.filter(user=bob, project=sweep.project).update(role=Role.VIEWER)
    for person in (bob, eve):
        with pytest.raises(PermissionDenied):
            sweeps.stop_sweep(sweep, person)
    assert sweep.deployments.live().count() == 2


@pytest.mark.parametrize(
    ("variants", "at_once", "changes", "pointer", "says"),
    [
        ([], 2, {}, "#/grid", "at least one argument several values"),
        ([{"seed": n} for n in range(201)], 2, {}, "#/grid", "201 trainings; a sweep has at most 200"),
        (FOUR, 0, {}, "#/at_once", "From 1 to 20"),
        (FOUR, 21, {}, "#/at_once", "From 1 to 20"),
        (FOUR, 2, {"kind": JobKind.SERVICE}, "#/kind", "Only trainings"),
        ([{"a b": 1}], 2, {}, "#/arguments/a b", "no name of an argument"),
        (FOUR, 2, {"memory_mb": 99_000}, "#/resources/memory_mb", "8,000 MB"),
        (FOUR, 2, {"asset": "no-such"}, "#/module", "no module"),
    ],
)
def test_what_can_never_run_is_refused_and_nothing_is_written(ask, ada, variants, at_once, changes, pointer, says):
    with pytest.raises(RequestRefused) as refused:
        sweeps.start_sweep(ask(**{"kind": JobKind.BATCH, **changes}), variants, at_once=at_once, owner=ada)
    assert says in {error.pointer: error.detail for error in refused.value.errors}[pointer]
    assert not Sweep.objects.exists()
    assert not Deployment.objects.exists()


def test_a_request_is_read_again_as_it_was_written(ask):
    storage, dataset = StorageRequest("x", "/a", read_only=True), DatasetRequest("10.5281/zenodo.1", force=True)
    asked = replace(ask(gpus=1, kind=JobKind.BATCH, prefer=("a", "b")), storages=(storage,), datasets=(dataset,))
    assert request_of(as_json(asked)) == asked
    assert request_of({"asset": "digits", "title": "Old", "project": "ada", "resources": {}, "gone": 1}).retries == 0


def test_every_sweep_that_has_not_ended_is_looked_at(begin, monkeypatch):
    rung = []
    monkeypatch.setattr(doorbell, "ring", lambda task, pk, **more: rung.append((task, pk)))
    sweep, ended = begin(FOUR), begin(FOUR)
    Sweep.objects.filter(pk=ended.pk).update(ended=timezone.now() - timedelta(minutes=1))
    sweeps.advance_all()
    assert rung == [("jobs.tasks.advance_sweep", sweep.pk)]
