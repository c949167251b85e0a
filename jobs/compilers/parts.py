"""What jobs of every kind are made of: the preparing tasks, and what was asked for."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datacenters.jobspec import Device, File, JobKind, JobSpec, Lifecycle, Port, Resources, TaskSpec
from jobs.models import Deployment

FILES = Path(__file__).parent / "files"
# Grows when install.py makes environments in another way: old ones are then not taken for new ones.
LAYOUT = "1"
PACKAGES_ROOT, STORAGE_ROOT = "${meta.serai_packages_root}", "${meta.serai_storage_root}"
SMALL = Resources(cpu_cores=0.1, memory_mb=64)
# Installing needs no more than this; as it runs before the main task, it adds nothing to the job's ask.
INSTALL_MEMORY_MB = 1_000


class CannotCompile(Exception):
    """There is no way to make a job of this; the text says why."""


def job(deployment: Deployment, tasks: tuple[TaskSpec, ...], ports: tuple[Port, ...]) -> JobSpec:
    assert deployment.datacenter is not None
    return JobSpec(
        id=deployment.job_id,
        namespace=deployment.namespace,
        kind=JobKind(deployment.kind),
        datacenters=(deployment.datacenter.nomad_name,),
        tasks=tasks,
        ports=ports,
        disk_mb=deployment.request["resources"]["disk_mb"],
        # Each start is another version of the job: the same one again would not run anew.
        meta={"serai_deployment": str(deployment.pk), "serai_start": str(deployment.starts)},
    )


def own_env(deployment: Deployment) -> dict[str, str]:
    return {
        "SERAI_DEPLOYMENT_ID": str(deployment.pk),
        "SERAI_PROJECT": deployment.project.slug,
        "SERAI_MODULE": deployment.asset_slug,
        "PYTHONUNBUFFERED": "1",  # a live log is live
    }


def storage_folder(deployment: Deployment) -> str:
    """Where the deployments of one module or tool in a project keep what stays."""
    return f"{STORAGE_ROOT}/{deployment.project.slug}/{deployment.asset_slug}"


def storage_task(deployment: Deployment) -> TaskSpec:
    return TaskSpec(
        name="storage",
        lifecycle=Lifecycle.PRESTART,
        command="${meta.serai_python}",
        args=("${NOMAD_TASK_DIR}/storage.py", storage_folder(deployment)),
        files=(file("storage.py"),),
        resources=SMALL,
        operator=True,
    )


def packages_task(deployment: Deployment, key: str, what: Mapping[str, str], *files: File) -> TaskSpec:
    """Installs an environment that all deployments with this key share; ``what`` are install.py's options."""
    asked = resources(deployment)
    values = {"root": PACKAGES_ROOT, "key": key, "uv": "${meta.serai_uv}", **what}
    return TaskSpec(
        name="packages",
        lifecycle=Lifecycle.PRESTART,
        command="${meta.serai_python}",
        args=("${NOMAD_TASK_DIR}/install.py", *(f"--{name}={value}" for name, value in values.items())),
        files=(file("install.py"), *files),
        resources=Resources(asked.cpu_cores, min(asked.memory_mb, INSTALL_MEMORY_MB)),
        operator=True,
    )


def resources(deployment: Deployment) -> Resources:
    asked = deployment.request["resources"]
    return Resources(asked["cpu_cores"], asked["memory_mb"], _device(asked) if asked["gpus"] else None)


def _device(asked: Mapping[str, Any]) -> Device:
    return Device(
        count=asked["gpus"],
        vendor=asked["gpu_vendor"],
        model=asked["gpu_model"],
        memory_mb=asked["gpu_memory_mb"],
        compute_capability=asked["gpu_compute_capability"],
    )


def file(name: str) -> File:
    return File(f"local/{name}", (FILES / name).read_text())
