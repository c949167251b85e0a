"""Tokens of projects on two federated regions with access control: made, used, changed while jobs run."""

import shutil
import tempfile
import uuid
from pathlib import Path

import httpx
import pytest

from datacenters import tokens
from datacenters.clusters import POLICY
from datacenters.interface import JobStatus, TokenRefused
from datacenters.jobspec import JobKind, JobSpec, Resources, TaskSpec
from datacenters.models import Cluster, ProjectToken
from datacenters.services import adapter_for, adapter_with, refresh
from tests.agents import nomad_binary
from tests.contract.test_adapter import eventually
from tests.federation import federation

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.django_db]
PLACES = {"west": "alps", "east": "docks"}


@pytest.fixture(scope="module")
def regions():
    if nomad_binary() is None:
        pytest.skip("no nomad on PATH: tokens of projects are not made for real")
    folder = Path(tempfile.mkdtemp(prefix="serai-tokens-"))
    with federation(folder) as found:
        yield found
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["west", "east"])
def cluster(request, regions):
    token = regions.token("serai", POLICY)
    row = Cluster.objects.create(
        name=request.param, address=regions.west, region=request.param, token=token, trusted_for_tests=True
    )
    assert refresh(row), Cluster.objects.get().problem
    return row


def sleeper(cluster, project):
    task = TaskSpec("main", command="/bin/sleep", args=("100",), resources=Resources(0.1, 64))
    namespace, places = tokens.namespace_of(project), (PLACES[cluster.region],)
    return JobSpec(f"serai-{uuid.uuid4()}", namespace, JobKind.SERVICE, places, (task,), disk_mb=100)


def is_running(adapter, spec):
    return eventually(
        lambda: adapter.state(spec.id, spec.namespace), lambda state: state.status is JobStatus.RUNNING
    ).allocation_id


def test_a_projects_token_is_changed_in_one_step_while_its_job_runs(regions, cluster, ada, eve):
    tokens.give(cluster, ada.personal_project, regions.management, None)
    first = ProjectToken.objects.get().token
    ours, spec = adapter_for(cluster, ada.personal_project), sleeper(cluster, ada.personal_project)
    ours.ensure_namespace(spec.namespace)
    ours.submit(spec, {})
    life = is_running(ours, spec)

    tokens.give(cluster, ada.personal_project, regions.management, None)
    assert ProjectToken.objects.get().token != first
    now = adapter_for(cluster, ada.personal_project)
    assert is_running(now, spec) == life
    eventually(lambda: refused(cluster, first), bool)
    now.stop(spec.id, spec.namespace)
    eventually(lambda: now.state(spec.id, spec.namespace).status, lambda status: status is JobStatus.STOPPED)
    now.purge(spec.id, spec.namespace)


def refused(cluster, token):
    where = {"region": cluster.region}
    answer = httpx.get(f"{cluster.address}/v1/acl/token/self", params=where, headers={"X-Nomad-Token": token})
    return answer.status_code == 403


def test_it_reaches_no_other_project(regions, cluster, ada, eve):
    for person in (ada, eve):
        tokens.give(cluster, person.personal_project, regions.management, None)
    theirs, spec = adapter_for(cluster, eve.personal_project), sleeper(cluster, ada.personal_project)
    with pytest.raises(TokenRefused):
        theirs.submit(spec, {})
    with pytest.raises(TokenRefused):
        theirs.state(spec.id, spec.namespace)


def test_a_token_made_by_the_printed_commands_is_taken(regions, cluster, ada):
    name = tokens.namespace_of(ada.personal_project)
    rules = {"Name": name, "Rules": tokens.rules_for(ada.personal_project)}
    regions.ask("POST", "namespace", {"Name": name}, region=cluster.region)
    regions.ask("POST", f"acl/policy/{name}", rules, region=cluster.region)
    made = regions.ask("POST", "acl/token", {"Name": name, "Type": "client", "Policies": [name]}, region=cluster.region)
    tokens.keep(cluster, ada.personal_project, made["SecretID"], None)
    ours, spec = adapter_for(cluster, ada.personal_project), sleeper(cluster, ada.personal_project)
    ours.submit(spec, {})
    is_running(ours, spec)
    ours.purge(spec.id, spec.namespace)
    with pytest.raises(TokenRefused):
        tokens.keep(cluster, ada.personal_project, str(uuid.uuid4()), None)


def test_serais_own_token_is_renewed_while_a_job_runs(regions, cluster, ada):
    tokens.give(cluster, ada.personal_project, regions.management, None)
    tokens.take_back(cluster, ada.personal_project, None)
    spec, former = sleeper(cluster, ada.personal_project), cluster.token
    adapter_for(cluster).submit(spec, {})
    life = is_running(adapter_for(cluster), spec)
    tokens.renew(cluster, regions.management, POLICY, None)
    assert cluster.token != former
    assert is_running(adapter_for(cluster, ada.personal_project), spec) == life
    assert adapter_with(cluster, cluster.token).rights().submits
    eventually(lambda: refused(cluster, former), bool)
    adapter_for(cluster).purge(spec.id, spec.namespace)


def test_only_a_management_token_makes_any(regions, cluster, ada):
    with pytest.raises(TokenRefused):
        tokens.give(cluster, ada.personal_project, cluster.token, None)
    assert not ProjectToken.objects.exists()
