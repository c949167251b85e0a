"""Two federated regions with access control: Serai's own policy is enough, and reaches no further."""

import shutil
import tempfile
import threading
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from datacenters.clusters import POLICY
from datacenters.interface import JobNotFound, JobStatus, NamespaceMissing, TokenRefused, Unreachable
from datacenters.jobspec import JobKind, JobSpec, Resources, TaskSpec
from datacenters.nomad import TRUSTED, NomadAdapter
from tests.agents import nomad_binary
from tests.federation import federation

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
JOB = "serai-00000000-0000-4000-8000-00000000000{}"


@pytest.fixture(scope="module")
def regions():
    if nomad_binary() is None:
        pytest.skip("no nomad on PATH: federated regions are left out")
    folder = Path(tempfile.mkdtemp(prefix="serai-federation-"))
    with federation(folder) as found:
        found.namespace("serai-ada")
        yield found
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def token(regions):
    return regions.token("serai", POLICY)


@pytest.fixture
def adapter(regions, token):
    def of(region, token=token):
        return NomadAdapter(regions.west, token=token, region=region, drivers=TRUSTED)

    return of


def sleeper(number, place, *, seconds=60, secrets=(), script=""):
    command = ("/bin/sh", ("-c", script)) if script else ("/bin/sleep", (str(seconds),))
    task = TaskSpec("main", command=command[0], args=command[1], secrets=secrets, resources=Resources(0.1, 64))
    return JobSpec(JOB.format(number), "serai-ada", JobKind.BATCH, (place,), (task,), disk_mb=100)


def until(adapter, spec, *wanted):
    deadline = time.monotonic() + 60
    while (state := adapter.state(spec.id, spec.namespace)).status not in wanted:
        assert time.monotonic() < deadline, state
        time.sleep(0.2)
    return state


def test_each_region_shows_its_own_datacenters(adapter):
    assert sorted(node.datacenter for node in adapter("west").nodes()) == ["alps", "coast"]
    assert [node.datacenter for node in adapter("east").nodes()] == ["docks"]


@pytest.mark.parametrize(("region", "place"), [("west", "coast"), ("west", "alps"), ("east", "docks")])
def test_a_job_runs_where_it_was_sent_and_is_known_in_its_region_alone(adapter, region, place):
    here, spec = adapter(region), sleeper(1, place)
    here.ensure_namespace(spec.namespace)
    here.submit(spec, {})
    assert until(here, spec, JobStatus.RUNNING).node == place
    with pytest.raises(JobNotFound):
        adapter({"west": "east", "east": "west"}[region]).state(spec.id, spec.namespace)
    here.purge(spec.id, spec.namespace)


def test_secrets_reach_the_job_and_nobody_else(regions, adapter):
    here = adapter("east")
    spec = sleeper(2, "docks", secrets=("WORD",), script='test -n "$WORD"')
    here.submit(spec, {"WORD": "sesame"})
    assert until(here, spec, JobStatus.COMPLETED, JobStatus.FAILED).status is JobStatus.COMPLETED
    reader = regions.token("reader", 'namespace "serai-*" { policy = "read" }')
    address = f"{regions.west}/v1/var/nomad/jobs/{spec.id}"
    where = {"namespace": "serai-ada", "region": "east"}
    assert httpx.get(address, params=where, headers={"X-Nomad-Token": reader}).status_code == 403
    assert "sesame" not in str(regions.ask("GET", f"job/{spec.id}", region="east", namespace="serai-ada"))
    here.purge(spec.id, spec.namespace)


def test_the_policy_is_enough_for_news_of_jobs(adapter):
    here, spec, heard = adapter("west"), sleeper(3, "coast", seconds=1), []
    for _topics in ("with nodes", "without them"):
        with pytest.raises(Unreachable, match="tells this token no events"):
            next(iter(here.events(0)))

    def listen():
        for event in here.events(0):
            heard.append(event)
            if len([event for event in heard if event]) > 3:
                return

    threading.Thread(target=listen, daemon=True).start()
    here.submit(spec, {})
    until(here, spec, JobStatus.COMPLETED)
    deadline = time.monotonic() + 20
    while not any(event and event.job_id == spec.id for event in heard):
        assert time.monotonic() < deadline, heard
        time.sleep(0.2)
    here.purge(spec.id, spec.namespace)


def test_the_policy_reaches_no_other_namespace(regions, adapter):
    with pytest.raises(NamespaceMissing, match="serai-bob"):
        adapter("west").ensure_namespace("serai-bob")
    stranger = JobSpec(JOB.format(4), "default", JobKind.BATCH, ("alps",), sleeper(4, "alps").tasks, disk_mb=100)
    with pytest.raises(TokenRefused):
        adapter("west").submit(stranger, {})


@pytest.mark.parametrize("region", ["west", "east"])
def test_what_a_token_may_do_is_found_out_in_each_region(regions, adapter, region):
    ours = adapter(region).rights()
    assert (ours.regions, ours.management) == (("east", "west"), False)
    assert (ours.submits, ours.keeps_secrets, ours.sees_nodes, ours.hears_events) == (True, True, True, False)
    everything = adapter(region, regions.management).rights()
    assert (everything.management, everything.hears_events) == (True, True)
    assert (ours.changes_nodes, everything.changes_nodes) == (False, True)
    little = adapter(region, regions.token("little", 'node { policy = "read" }')).rights()
    assert (little.submits, little.keeps_secrets, little.sees_nodes) == (False, False, True)
    with pytest.raises(TokenRefused):
        adapter(region, "no token at all").rights()
    assert adapter("north").rights().regions == ("east", "west")


def test_a_token_that_may_change_nodes_empties_one_and_its_service_goes_to_the_next(regions, adapter):
    may = adapter("west", regions.token("operator", POLICY.replace('policy = "read"', 'policy = "write"')))
    assert may.rights().changes_nodes
    sleeps = sleeper(6, "*", seconds=300)
    spec = replace(sleeps, kind=JobKind.SERVICE)
    may.submit(spec, {})
    first = until(may, spec, JobStatus.RUNNING)
    node = next(node for node in may.nodes() if node.name == first.node)
    assert [one.job_id for one in node.held] == [spec.id]
    with pytest.raises(TokenRefused):
        adapter("west").drain(node.id, timedelta(minutes=1))
    may.drain(node.id, timedelta(minutes=1))
    deadline = time.monotonic() + 60
    while (state := may.state(spec.id, spec.namespace)).status is not JobStatus.RUNNING or state.node == first.node:
        assert time.monotonic() < deadline, state
        time.sleep(0.2)
    may.set_eligible(node.id, True)
    may.purge(spec.id, spec.namespace)


def test_a_new_token_takes_over_while_jobs_run(regions, adapter):
    old, spec = regions.token("old", POLICY), sleeper(5, "alps")
    adapter("west", old).submit(spec, {})
    until(adapter("west", old), spec, JobStatus.RUNNING)
    new = regions.token("new", POLICY)
    accessor = next(one["AccessorID"] for one in regions.ask("GET", "acl/tokens") if one["Name"] == "old")
    regions.ask("DELETE", f"acl/token/{accessor}")
    with pytest.raises(TokenRefused):
        adapter("west", old).state(spec.id, spec.namespace)
    here = adapter("west", new)
    assert here.state(spec.id, spec.namespace).status is JobStatus.RUNNING
    here.stop(spec.id, spec.namespace)
    until(here, spec, JobStatus.STOPPED)
    here.purge(spec.id, spec.namespace)
