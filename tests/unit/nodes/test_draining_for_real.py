"""What a deployment says while the machine below it is emptied and taken in again, in the real local datacenter."""

from datetime import timedelta

import pytest

from datacenters.models import Node
from datacenters.services import refresh
from jobs import drains
from jobs.models import Status
from tests.unit.jobs.conftest import World, ask, world  # noqa: F401  fixtures

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


@pytest.fixture
def machine(world: World):  # noqa: F811
    """The one node; whatever a test does, it takes jobs again at the end."""
    node = Node.objects.get()
    yield node
    world.adapter.end_drain(str(node.pk), eligible=True)


def test_a_service_waits_and_starts_again_and_its_history_says_why(world, machine, ada):  # noqa: F811
    service = world.until(world.deploy(), Status.RUNNING)
    first = service.allocation_id
    refresh(world.cluster)
    machine.refresh_from_db()
    assert [one["job_id"] for one in machine.held if one["job_id"] == service.job_id]
    assert drains.drained_node_of(service) is None

    drains.begin(machine, lasts=timedelta(minutes=5), reason="New disk", actor=ada)
    assert drains.drained_node_of(service) == machine
    world.until(service, Status.PENDING)
    assert "takes jobs now" in service.reason
    refresh(world.cluster)

    machine.refresh_from_db()
    assert (machine.draining, machine.ready) == (False, False)  # empty, and it stays out
    drains.set_eligible(machine, True, ada)
    world.until(service, Status.RUNNING)
    assert service.healthy
    assert service.allocation_id != first
    told = list(service.events.values_list("verb", "status"))
    heard = told.index(("heard of a drain", Status.RUNNING))
    after = [status for _verb, status in told[heard + 1 :]]
    assert Status.PENDING in after
    assert after[-1] == Status.RUNNING
