"""GPUs on a real Nomad: asked for by model and placed, waited for, and refused with what would help.

They are made up by Nomad's own example of a device plug-in, built as ``nomad-fake-gpus`` with the three names in it
changed to nvidia, gpu and Tesla T4; each file of its folder is one GPU. Skipped where that is not on PATH.
"""

import json
import shutil
import tempfile
from pathlib import Path

import pytest

from accounts.models import create_person
from datacenters.models import Cluster
from datacenters.services import capacities, refresh
from jobs import services, submission
from jobs.models import DeploymentKind, Status
from jobs.refusals import RequestRefused
from jobs.requests import DeployRequest, ResourceRequest
from tests.agents import Agent, _nomad_config, free_port, nomad_binary
from tests.contract.test_adapter import eventually
from tests.contract.test_containers import until
from tests.fake_modules import make_module
from tests.unit.jobs.conftest import asset_of

PLUGIN = "nomad-fake-gpus"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def agent():
    binary, plugin = nomad_binary(), shutil.which(PLUGIN)
    if binary is None or plugin is None:
        pytest.skip(f"no nomad, or no {PLUGIN}, on PATH: GPUs are not placed for real")
    folder = Path(tempfile.mkdtemp(prefix="serai-gpus-"))
    ports = [free_port() for _ in range(3)]
    config = _nomad_config(*ports, folder / "tasks")
    for name in ("plugins", "gpus"):
        (folder / name).mkdir()
    shutil.copy(plugin, folder / "plugins" / PLUGIN)
    for number in range(2):
        (folder / "gpus" / f"gpu-{number}").touch()
    config["plugin_dir"] = str(folder / "plugins")
    config["plugin"].append({PLUGIN: [{"config": [{"dir": str(folder / "gpus"), "list_period": "1s"}]}]})
    (folder / "agent.json").write_text(json.dumps(config))
    agent = Agent(
        address=f"http://127.0.0.1:{ports[0]}",
        token="",
        region="global",
        datacenter="local",
        driver="raw_exec",
        tasks=folder / "tasks",
        kind="nomad",
        command=(binary, "agent", "-dev", "-config", str(folder / "agent.json")),
        log=folder / "agent.log",
    )
    agent.start()
    yield agent
    agent.stop_tasks_and_end()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def cluster(agent, db, settings, tmp_path):
    settings.SERAI_DATA = tmp_path
    row = Cluster.objects.create(name="ifca", address=agent.address, trusted_for_tests=True)
    eventually(lambda: refresh(row) and [gpu for place in capacities() for gpu in gpus(place)], bool)
    yield row
    with agent.client() as client:
        for job in client.get("jobs", params={"namespace": "*"}).json():
            client.delete(f"job/{job['ID']}", params={"namespace": job["Namespace"], "purge": "true"})


@pytest.fixture
def deploy(cluster, tmp_path):
    ada = create_person("ada", password="difference-engine")
    asset_of("tiny", f"file://{make_module(tmp_path / 'tiny')}")

    def make(**asked):
        small = ResourceRequest(cpu_cores=0.1, memory_mb=100, disk_mb=200, **asked)
        request = DeployRequest("tiny", "Tiny", ada.personal_project.slug, kind=DeploymentKind.SERVICE, resources=small)
        return services.deploy(request, owner=ada)

    return make


def gpus(place):
    return [device for node in place.nodes for device in node.devices if device.kind == "gpu"]


def test_a_gpu_is_placed_by_its_model_and_counted(cluster, agent, deploy):
    deployment = until(deploy(gpus=1, gpu_model="Tesla T4"), Status.RUNNING)
    with agent.client() as client:
        allocation = client.get(f"allocation/{deployment.allocation_id}").json()
    (device,) = allocation["AllocatedResources"]["Tasks"]["main"]["Devices"]
    assert (device["Vendor"], device["Type"], device["Name"]) == ("nvidia", "gpu", "Tesla T4")
    assert refresh(cluster)
    (group,) = gpus(capacities()[0])
    assert (group.model, group.total, group.free) == ("Tesla T4", 2, 1)


def test_what_nobody_has_is_refused_and_what_there_is_is_named(deploy):
    with pytest.raises(RequestRefused, match="A100") as refusal:
        deploy(gpus=1, gpu_model="A100")
    assert "Tesla T4" in str(refusal.value)


def test_a_gpu_that_is_taken_is_waited_for_with_the_reason(cluster, deploy):
    both = until(deploy(gpus=2, gpu_model="Tesla T4"), Status.RUNNING)
    waits = deploy(gpus=1, gpu_model="Tesla T4")
    submission.submit(waits.pk)
    waits = until(waits, Status.PENDING)
    assert "Tesla T4" in waits.reason, waits.reason
    services.stop(both, both.owner)
    until(waits, Status.RUNNING)
