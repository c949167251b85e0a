"""Memory, disk, ports and devices: what runs out, and what is said then."""

import json
import socket
import subprocess
import time
from contextlib import suppress

import pytest

from tests.agents import start_local_agent
from tests.contract.cluster import Cluster, event, hook, job, shell

from .conftest import root_only

pytestmark = pytest.mark.slow

GROW = "python3 -c 'import time; x = bytearray(200 * 2**20); time.sleep(60)'"


def test_a_task_that_takes_much_more_memory_than_asked_is_ended(shared_cluster, job_id):
    shared_cluster.register(job(job_id, shell(f"exec {GROW}", Resources={"CPU": 20, "MemoryMB": 100})))
    allocation = shared_cluster.ended(job_id)
    ended = event(allocation, "Terminated")
    assert allocation["ClientStatus"] == "failed"
    assert ended["Details"]["oom_killed"] == "true"
    assert "OOM Killed" in ended["Message"]
    assert "100 MB were asked for" in ended["Message"]


def test_the_highest_memory_counts_where_one_is_given(shared_cluster, job_id):
    resources = {"CPU": 20, "MemoryMB": 100, "MemoryMaxMB": 400}
    shared_cluster.register(job(job_id, shell(GROW.replace("60", "5"), Resources=resources)))
    assert shared_cluster.ended(job_id)["ClientStatus"] == "complete"


def test_memory_that_processes_share_counts_once(shared_cluster, job_id):
    fork = "import os, time; x = bytearray(60 * 2**20); [os.fork() for _ in range(2)]; time.sleep(5)"
    resources = {"CPU": 20, "MemoryMB": 120}
    shared_cluster.register(job(job_id, shell(f"exec python3 -c '{fork}'", Resources=resources)))
    assert shared_cluster.ended(job_id)["ClientStatus"] == "complete"


def test_a_taken_port_fails_the_task_in_plain_words(shared_cluster, job_id):
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        port = stranger.getsockname()[1]
        network = {"Networks": [{"Mode": "host", "ReservedPorts": [{"Label": "api", "Value": port}]}]}
        shared_cluster.register(job(job_id, shell("true"), group=network))
        allocation = shared_cluster.ended(job_id)
    assert allocation["ClientStatus"] == "failed"
    assert f"Port {port} (api) is already used" in event(allocation, "Driver Failure")["DriverError"]


def test_a_dynamic_port_is_one_that_nobody_listens_on(shared_cluster, job_id):
    network = {"Networks": [{"Mode": "host", "DynamicPorts": [{"Label": "api"}]}]}
    listen = 'exec python3 -m http.server --bind "$NOMAD_IP_api" "$NOMAD_PORT_api"'
    shared_cluster.register(job(job_id, shell(listen), kind="service", group=network))
    (port,) = shared_cluster.running(job_id)["AllocatedResources"]["Shared"]["Ports"]
    deadline = time.monotonic() + 20
    while socket.socket().connect_ex(("127.0.0.1", port["Value"])):
        assert time.monotonic() < deadline, "nobody answers on the port"
        time.sleep(0.1)


@pytest.fixture
def small_disk(place):
    """An agent whose tasks' folder lies on a disk of 8 MB."""
    tasks = place / "tasks"
    tasks.mkdir(mode=0o711)
    mounting = ["mount", "-t", "tmpfs", "-o", "size=8m,mode=711", "none", str(tasks)]
    done = subprocess.run(mounting, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")
    agent = start_local_agent(place)
    yield agent
    agent.stop_tasks_and_end()
    subprocess.run(["umount", "-l", str(tasks)], check=True)


@root_only
def test_a_full_disk_is_said_in_plain_words(small_disk, job_id):
    with small_disk.client() as http, (small_disk.tasks / "filling").open("wb", buffering=0) as filling:
        cluster = Cluster(small_disk, http)
        small = {"EphemeralDisk": {"SizeMB": 5}}
        logs = {"LogConfig": {"MaxFiles": 1, "MaxFileSizeMB": 1}}
        with suppress(OSError):
            while filling.write(b"x" * 65_536):
                pass
        template = {"EmbeddedTmpl": "y" * 100_000, "DestPath": "local/file", "ChangeMode": "noop"}
        cluster.register(job(job_id, shell("true", Templates=[template], **logs), group=small))
        allocation = cluster.ended(job_id)
        messages = [happened["DisplayMessage"] for happened in allocation["TaskStates"]["main"]["Events"]]
        assert allocation["ClientStatus"] == "failed"
        assert any("disk of the local datacenter is full" in message for message in messages)


@root_only
def test_a_task_whose_log_finds_no_room_runs_on(small_disk, job_id):
    with small_disk.client() as http:
        cluster = Cluster(small_disk, http)
        small = {"EphemeralDisk": {"SizeMB": 7}}
        script = "i=0; while [ $i -lt 30000 ]; do echo %s; i=$((i+1)); done; echo end >&2" % ("x" * 500)
        logs = {"LogConfig": {"MaxFiles": 3, "MaxFileSizeMB": 2}}
        filling = small_disk.tasks / "filling"
        filling.write_bytes(b"x" * 5 * 2**20)
        cluster.register(job(job_id, shell(script, **logs), group=small))
        assert cluster.ended(job_id)["ClientStatus"] == "complete"


DEVICES = [
    {
        "Vendor": "nvidia",
        "Type": "gpu",
        "Name": "Tesla T4",
        "Attributes": {"memory": {"Int": 15_360, "Unit": "MiB"}, "cuda_compute_capability": {"String": "7.5"}},
        "Instances": [{"ID": "GPU-1", "Healthy": True}, {"ID": "GPU-2", "Healthy": False, "HealthDescription": "sick"}],
    }
]


@pytest.fixture
def gpu_cluster(place, start):
    """An agent that says it has a GPU (and a sick one)."""
    file = place / "devices.json"
    file.write_text(json.dumps(DEVICES))
    agent = start(devices=file)
    with agent.client() as http:
        yield Cluster(agent, http)


def with_gpu(**ask):
    return {"CPU": 20, "MemoryMB": 64, "Devices": [{"Name": "nvidia/gpu", "Count": 1, **ask}]}


def test_simulated_devices_are_marked_and_given_away_once(gpu_cluster, job_id):
    (listed,) = gpu_cluster.get("nodes", resources="true")
    assert listed["NodeResources"]["Devices"][0]["Name"] == "Tesla T4"
    assert gpu_cluster.get(f"node/{listed['ID']}")["Meta"]["serai_simulated_devices"] == "true"
    first, second = f"{job_id}-1", f"{job_id}-2"
    script = "echo $NVIDIA_VISIBLE_DEVICES; exec sleep 600"
    gpu_cluster.register(job(first, shell(script, Resources=with_gpu()), kind="service"))
    allocation = gpu_cluster.running(first)
    (given,) = allocation["AllocatedResources"]["Tasks"]["main"]["Devices"]
    assert (given["Name"], given["DeviceIDs"]) == ("Tesla T4", ["GPU-1"])
    gpu_cluster.log_with("GPU-1", allocation)
    gpu_cluster.register(job(second, shell("exec sleep 600", Resources=with_gpu()), kind="service"))
    failed = gpu_cluster.blocked(second)
    assert failed["DimensionExhausted"] == {"devices: no devices match request": 1}
    gpu_cluster.stop(first)
    assert gpu_cluster.running(second)["ClientStatus"] == "running"


def test_a_sick_device_is_not_given(gpu_cluster, job_id):
    gpu_cluster.register(job(job_id, shell("true", Resources=with_gpu(Count=2))))
    assert gpu_cluster.blocked(job_id)["ConstraintFiltered"] == {"missing devices": 1}


def test_the_tasks_of_a_group_are_placed_for_their_worst_moment(shared_cluster, job_id):
    """What runs before main gives its memory back: only the larger of the two must fit."""
    node = shared_cluster.get("nodes", resources="true")[0]
    most = node["NodeResources"]["Memory"]["MemoryMB"] * 2 // 3
    large = {"CPU": 20, "MemoryMB": most}
    tasks = shell("true", name="before", Resources=large, Lifecycle=hook("prestart")), shell("true", Resources=large)
    assert shared_cluster.plan(job(job_id, *tasks))["FailedTGAllocs"] is None
    together = shell("true", name="beside", Resources=large), shell("true", Resources=large)
    assert shared_cluster.plan(job(job_id, *together))["FailedTGAllocs"] is not None
