"""Nodes are taken out, emptied and taken in again: the same over the local datacenter and a real Nomad."""

from datetime import timedelta

import pytest

from datacenters.interface import JobNotFound, JobRejected, JobStatus
from datacenters.jobspec import JobKind, JobSpec, Resources, TaskSpec

from .test_adapter import Site, eventually, shell, site  # noqa: F401  the fixture

NOWHERE = "11111111-1111-4111-8111-111111111111"
LONG = timedelta(hours=1)


@pytest.fixture
def node(site):  # noqa: F811
    """The one node's facts as they are now; whatever a test does, it takes jobs again at the end."""
    read = lambda: site.adapter.nodes()[0]  # noqa: E731
    yield read
    site.adapter.end_drain(read().id, eligible=True)
    site.adapter.set_eligible(read().id, True)


def sleeper(site: Site, kind: JobKind = JobKind.SERVICE) -> JobSpec:  # noqa: F811
    task = TaskSpec("main", command="/bin/sleep", args=("300",), resources=Resources(0.1, 64))
    return site.send(site.spec(task, kind=kind))


def test_a_node_that_is_taken_out_takes_nothing_new_and_what_runs_goes_on(site, node):  # noqa: F811
    running = sleeper(site)
    site.wait(running, JobStatus.RUNNING)
    site.adapter.set_eligible(node().id, False)
    assert (node().eligible, node().ready, node().draining) == (False, False, False)
    waiting = sleeper(site)
    state = site.wait(waiting, JobStatus.PENDING)
    state = eventually(lambda: site.state(waiting), lambda state: state.reason)
    assert "takes jobs now" in state.reason.sentence
    assert site.state(running).status is JobStatus.RUNNING
    site.adapter.set_eligible(node().id, True)
    site.wait(waiting, JobStatus.RUNNING)


def test_a_service_leaves_a_node_that_is_emptied_and_starts_when_a_node_takes_it(site, node):  # noqa: F811
    service = sleeper(site)
    first = site.wait(service, JobStatus.RUNNING)
    site.adapter.drain(node().id, LONG)
    state = site.wait(service, JobStatus.PENDING)
    assert "takes jobs now" in eventually(lambda: site.state(service), lambda state: state.reason).reason.sentence
    empty = eventually(node, lambda node: not node.draining)
    assert (empty.eligible, empty.ready) == (False, False)  # done, and it stays out
    site.adapter.set_eligible(node().id, True)
    state = site.wait(service, JobStatus.RUNNING)
    assert state.allocation_id != first.allocation_id


def test_a_batch_may_end_by_itself_until_the_deadline(site, node):  # noqa: F811
    short, long = site.send(site.batch("sleep 2; echo done")), sleeper(site, JobKind.BATCH)
    site.wait(short, JobStatus.RUNNING, JobStatus.COMPLETED)
    site.wait(long, JobStatus.RUNNING)
    site.adapter.drain(node().id, timedelta(seconds=8))
    assert node().draining
    site.wait(short, JobStatus.COMPLETED)
    assert site.state(long).status is JobStatus.RUNNING
    site.wait(long, JobStatus.PENDING)
    eventually(node, lambda node: not node.draining)
    assert site.state(short).status is JobStatus.COMPLETED


def test_a_drain_can_be_called_off(site, node):  # noqa: F811
    batch = sleeper(site, JobKind.BATCH)
    site.wait(batch, JobStatus.RUNNING)
    site.adapter.drain(node().id, LONG)
    with pytest.raises(JobRejected, match="while it is draining"):
        site.adapter.set_eligible(node().id, True)
    site.adapter.end_drain(node().id, eligible=True)
    eventually(node, lambda node: node.ready)
    assert site.state(batch).status is JobStatus.RUNNING
    site.wait(site.send(site.spec(shell("main", "exec sleep 60"))), JobStatus.RUNNING)


def test_a_node_that_is_not_there_cannot_be_told(site):  # noqa: F811
    for tell in (
        lambda: site.adapter.set_eligible(NOWHERE, True),
        lambda: site.adapter.drain(NOWHERE, LONG),
        lambda: site.adapter.end_drain(NOWHERE, eligible=True),
    ):
        with pytest.raises((JobNotFound, JobRejected), match="not found"):
            tell()


def test_what_a_node_holds_is_told_by_job(site, node):  # noqa: F811
    service = sleeper(site)
    site.wait(service, JobStatus.RUNNING)
    held = {one.job_id: one for one in node().held}
    assert (held[service.id].cpu_mhz, held[service.id].memory_mb) == (100, 64)
    assert node().driver_health
    assert [driver.healthy for driver in node().driver_health if driver.name == "raw_exec"] == [True]
