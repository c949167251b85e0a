"""The jobs by which one node is tested."""

from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from datacenters.jobspec import Device, File, JobKind, JobSpec, Port, Resources, Runtime, TaskSpec
from datacenters.models import Node
from datacenters.services import capacity_of

from .models import NodeTest

# Begins as all of ours do, so that Serai's policy names it.
NAMESPACE = "serai-node-tests"
LOOK = Path(__file__).with_name("look.py")
PORT = Port("visit")
CPU_CORES, MEMORY_MB, DISK_MB = 0.1, 300, 300
# What jobs may count on, as look.py takes it.
META = {
    "uv": "serai_uv",
    "packages-root": "serai_packages_root",
    "storage-root": "serai_storage_root",
    "rclone": "serai_rclone",
    "mounts-root": "serai_mounts_root",
}


def jobs_of(test: NodeTest) -> Iterator[JobSpec]:
    """One for each runtime that the node offers; each pinned to it."""
    node = test.node
    offers = capacity_of(node, node.datacenter)
    if offers.offers_packages and node.meta.get("serai_python"):
        yield _job(test, "package", _looking(test), (PORT,))
    if offers.offers_containers:
        yield _job(test, "container", _container(), ())


def job_id(test: NodeTest, part: str) -> str:
    return f"serai-test-{test.pk}-{part}"


def free_gpu(node: Node) -> bool:
    """Whether one can be asked for: a job that waits for one would tell nothing of the node."""
    if node.datacenter.simulated_devices:
        return False
    gpus = [device for device in capacity_of(node, node.datacenter).devices if device.kind == "gpu"]
    return any(device.free for device in gpus)


def _job(test: NodeTest, part: str, task: TaskSpec, ports: tuple[Port, ...]) -> JobSpec:
    return JobSpec(
        id=job_id(test, part),
        namespace=NAMESPACE,
        kind=JobKind.BATCH,
        datacenters=(test.node.datacenter.nomad_name,),
        nodes=(str(test.node.pk),),
        tasks=(task,),
        ports=ports,
        disk_mb=DISK_MB,
    )


def _looking(test: NodeTest) -> TaskSpec:
    node = test.node
    known = {name: f"${{meta.{meta}}}" for name, meta in META.items() if node.meta.get(meta)}
    # In a chroot what is mounted is seen by the task alone: there storages are not attached.
    if not node.datacenter.copies_storages:
        known = {name: value for name, value in known.items() if name not in ("rclone", "mounts-root")}
    fuse = node.datacenter.mounts_storages and node.meta.get("serai_fuse") == "true"
    gpu = free_gpu(node)
    values = {
        **known,
        "package": settings.NODE_TEST_PACKAGE,
        "fuse": str(int(fuse)),
        "gpus": str(int(gpu)),
        "host": "${NOMAD_IP_visit}",
        "port": "${NOMAD_PORT_visit}",
        "word": job_id(test, "package"),
    }
    return TaskSpec(
        name="main",
        command="${meta.serai_python}",
        args=("${NOMAD_TASK_DIR}/look.py", *(f"--{name}={value}" for name, value in values.items())),
        files=(File("local/look.py", LOOK.read_text()),),
        resources=Resources(CPU_CORES, MEMORY_MB, Device() if gpu else None),
        operator=True,  # it writes where operators' tasks do, and mounts
    )


def _container() -> TaskSpec:
    return TaskSpec(
        name="main",
        runtime=Runtime.CONTAINER,
        image=settings.NODE_TEST_IMAGE,
        command="/bin/true",
        resources=Resources(CPU_CORES, MEMORY_MB),
    )
