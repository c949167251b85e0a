"""Deadlines and want of use over the real local datacenter, with its own figures."""

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs import lifetimes
from jobs.models import Deployment, Status
from jobs.watching.usage import sample
from tests.fake_modules import make_module

from .conftest import asset_of

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.timeout(180)]


@pytest.fixture
def tiny(db, tmp_path) -> str:
    return asset_of("tiny", str(make_module(tmp_path / "tiny"))).slug


def ticked(condition):
    """What the worker does besides."""

    def fulfilled(row: Deployment) -> bool:
        lifetimes.tick()
        row.refresh_from_db()
        return condition(row)

    return fulfilled


def test_a_service_ends_at_its_deadline_and_starts_again_with_a_new_one(world, tiny, ada):
    deployment = world.again(tiny, max_run_seconds=3)
    stopped = world.until(deployment, ticked(lambda row: row.status == Status.STOPPED))
    assert stopped.reason == "The time that it was to run is over."
    assert stopped.ended >= stopped.deadline
    # The clock starts when its program does, a moment before it answers.
    assert timedelta(0) <= stopped.started + timedelta(seconds=3) - stopped.deadline < timedelta(seconds=3)
    assert world.adapter.state(stopped.job_id, stopped.namespace).status == "stopped"


def test_a_service_that_nobody_uses_ends_though_it_answers(world, tiny):
    deployment = world.again(tiny, idle_stop_minutes=1)
    world.until(deployment, ticked(lambda row: row.last_active is not None))
    _look(world, deployment)  # the first figures: what it did before is not known
    assert deployment.status == Status.RUNNING
    Deployment.objects.update(last_active=timezone.now() - timedelta(seconds=70))
    _look(world, deployment)
    stopped = world.until(deployment, Status.STOPPED)
    assert stopped.reason == "Nobody used it for 1 min."


def _look(world, deployment: Deployment) -> None:
    """What the watcher does."""
    state = world.adapter.state(deployment.job_id, deployment.namespace)
    before = deployment.usage.count()
    while deployment.usage.count() == before:  # the agent measures every few seconds
        sample(world.adapter, {deployment.pk: state})
    deployment.refresh_from_db()
    lifetimes.look_after(deployment)
    deployment.refresh_from_db()
