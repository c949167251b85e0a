"""A machine is really tested, over the local datacenter and a real Nomad; what is wrong there is found."""

import time

import pytest

from datacenters.interface import JobStatus
from datacenters.models import Cluster, Node, NodeTest
from datacenters.node_tests import asking, running
from datacenters.node_tests.job import NAMESPACE, job_id
from datacenters.node_tests.models import Outcome
from datacenters.services import adapter_for, refresh

from .test_adapter import shell, site  # noqa: F401  the fixture

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
def place(agent) -> Cluster:
    """The agent's cluster as a row, and its node."""
    values = {"address": agent.address, "token": agent.token, "trusted_for_tests": True}
    cluster = Cluster.objects.create(name="lab", **values)
    assert refresh(cluster)
    return cluster


def came_of(cluster: Cluster) -> dict[str, tuple[bool | None, str]]:
    """The findings of one test, begun now."""
    test = asking.ask(Node.objects.get(datacenter__cluster=cluster), None)
    deadline = time.monotonic() + 180
    while test.is_open:
        running.turn(cluster)
        test.refresh_from_db()
        assert time.monotonic() < deadline, (test.outcome, test.parts, test.findings)
        time.sleep(0.5)
    return {"outcome": test.outcome} | {one["name"]: (one["ok"], one["sentence"]) for one in test.findings}


def test_a_machine_that_is_well_passes(place):
    found = came_of(place)
    assert found["outcome"] == Outcome.PASSED, found
    assert {name for name, value in found.items() if value[0] is True} >= {
        "metadata", "drivers", "python", "folders", "packages", "storage", "ingress",
    }, found  # fmt: skip
    node = Node.objects.get()
    assert (node.passed, node.tested is not None) == (True, True)
    assert [state.job_id for state in adapter_for(place).states("serai-test-")] == []


def test_a_machine_that_installs_no_package_fails_with_the_reason(place, settings):
    settings.NODE_TEST_PACKAGE = "serai-no-such-package-at-all"
    found = came_of(place)
    assert found["outcome"] == Outcome.FAILED
    assert found["packages"][0] is False
    assert "serai-no-such-package-at-all" in found["packages"][1] or "solution" in found["packages"][1]
    assert found["ingress"][0] is True
    assert Node.objects.get().passed is False


def test_a_watcher_that_is_killed_in_between_goes_on(place):
    test = asking.ask(Node.objects.get(), None)
    running._send(adapter_for(place), test)
    NodeTest.objects.filter(pk=test.pk).update(outcome=Outcome.WAITING, sent=None, parts=[])  # it wrote nothing down
    found = came_of(place)
    assert found["outcome"] == Outcome.PASSED
    assert NodeTest.objects.count() == 1


def test_a_job_runs_only_where_it_may(site):  # noqa: F811
    node = site.adapter.nodes()[0].id
    nowhere = "00000000-0000-4000-8000-000000000001"
    here = site.send(site.spec(shell("main", "exec sleep 60"), nodes=(nowhere, node)))
    site.wait(here, JobStatus.RUNNING)
    elsewhere = site.send(site.spec(shell("main", "exec sleep 60"), nodes=(nowhere,)))
    site.wait(elsewhere, JobStatus.PENDING)
    deadline = time.monotonic() + 20
    while (state := site.state(elsewhere)).reason is None:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert "that this may run on" in state.reason.sentence


def test_a_job_that_somebody_removed_is_said(place):
    test = asking.ask(Node.objects.get(), None)
    adapter = adapter_for(place)
    running._send(adapter, test)
    adapter.purge(job_id(test, "package"), NAMESPACE)
    deadline = time.monotonic() + 30
    while test.is_open:
        running.turn(place)
        test.refresh_from_db()
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert test.outcome in (Outcome.NOT_TRIED, Outcome.FAILED)
