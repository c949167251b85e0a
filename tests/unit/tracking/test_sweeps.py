"""A sweep's parent run in a real MLflow."""

import pytest
from django.utils import timezone

from jobs import tracking
from jobs.models import Sweep
from jobs.tracking.client import call
from jobs.tracking.runs import PARENT_TAG
from jobs.tracking.sweeps import runs_of_sweep, tend_sweeps
from tests.unit.tracking.test_with_mlflow import somebody, train  # noqa: F401

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.usefixtures("mlflow"), pytest.mark.timeout(300)]


def test_the_runs_of_a_sweep_lie_below_its_own_in_whatever_order_they_come(somebody, sweep_in):  # noqa: F811
    sweep = sweep_in(somebody)
    first, second = sweep.deployments.order_by("sweep_place")
    train(first)
    tracking.remember_runs()  # before MLflow has the sweep's own run
    tend_sweeps()
    sweep.refresh_from_db()
    assert tracking.run(somebody, sweep.run_id).name == "Wide"
    assert tracking.run(somebody, sweep.run_id).status == "RUNNING"
    train(second)
    tracking.remember_runs()  # after
    assert {run.deployment_id for run in runs_of_sweep(sweep)} == {str(first.pk), str(second.pk)}
    for training in sweep.deployments.all():
        run = tracking.run(somebody, training.run_id)
        assert (run.tags[PARENT_TAG], run.tags["serai.sweep"]) == (sweep.run_id, str(sweep.pk))


def test_its_run_ends_with_it_and_is_not_asked_for_again(somebody, sweep_in):  # noqa: F811
    sweep = sweep_in(somebody)
    tend_sweeps()
    Sweep.objects.filter(pk=sweep.pk).update(ended=timezone.now())
    tend_sweeps()
    sweep.refresh_from_db()
    assert sweep.run_closed
    run = tracking.run(somebody, sweep.run_id)
    assert (run.status, run.ended is not None) == ("FINISHED", True)


def test_a_sweep_of_a_time_without_mlflow_gets_its_run_later(somebody, sweep_in, settings):  # noqa: F811
    address, settings.MLFLOW_URL = settings.MLFLOW_URL, "http://127.0.0.1:9"
    sweep = sweep_in(somebody)
    Sweep.objects.filter(pk=sweep.pk).update(ended=timezone.now(), stopped=timezone.now())
    tend_sweeps()
    settings.MLFLOW_URL = address
    train(sweep.deployments.first())
    tracking.remember_runs()
    tend_sweeps()
    sweep.refresh_from_db()
    assert tracking.run(somebody, sweep.run_id).status == "KILLED"
    assert len(runs_of_sweep(sweep)) == 1


def test_of_two_that_make_its_run_at_once_one_run_stays(somebody, sweep_in, monkeypatch):  # noqa: F811
    sweep = sweep_in(somebody)
    mine = Sweep.objects.filter(pk=sweep.pk)

    def quicker(login, method, path, **values):
        found = call(login, method, path, **values)
        if path.endswith("runs/create"):
            mine.update(run_id="the-other-ones")
        return found

    monkeypatch.setattr("jobs.tracking.sweeps.call", quicker)
    tend_sweeps()
    sweep.refresh_from_db()
    assert sweep.run_id == "the-other-ones"
    assert tracking.search_runs(somebody) == []
