"""A module that answers DEEPaaS's API: as a service, or one training of it as a batch."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datacenters.jobspec import (
    Device,
    File,
    JobKind,
    JobSpec,
    Lifecycle,
    Port,
    Resources,
    Runtime,
    TaskSpec,
    literal,
)
from jobs import tracking
from jobs.models import Deployment
from jobs.options import TAG, WORKERS
from marketplace.models import Asset

FILES = Path(__file__).parent / "files"
# Grows when install.py makes environments in another way: old ones are then not taken for new ones.
LAYOUT = "1"
PORT = Port("api", health_path="/swagger.json")
PACKAGES_ROOT, STORAGE_ROOT = "${meta.serai_packages_root}", "${meta.serai_storage_root}"
SMALL = Resources(cpu_cores=0.1, memory_mb=64)
# Installing needs no more than this; as it runs before the main task, it adds nothing to the job's ask.
INSTALL_MEMORY_MB = 1_000
STOP_SECONDS = 20  # a training or a prediction that is being worked on may end


def compile_module(deployment: Deployment, asset: Asset, runtime: Runtime) -> tuple[JobSpec, Mapping[str, str]]:
    """The job and its secrets; a pure function of the rows, so that sending it twice sends the same."""
    env, secrets = tracking.environment(deployment)
    env = {**_own_env(deployment), **env}
    build = {Runtime.PACKAGE: _package_tasks, Runtime.CONTAINER: _container_tasks}[runtime]
    assert deployment.datacenter is not None
    spec = JobSpec(
        id=deployment.job_id,
        namespace=deployment.namespace,
        kind=JobKind(deployment.kind),
        datacenters=(deployment.datacenter.nomad_name,),
        tasks=build(deployment, asset, env, tuple(sorted(secrets))),
        ports=(PORT,) if deployment.kind == JobKind.SERVICE else (),
        disk_mb=deployment.request["resources"]["disk_mb"],
        # Each start is another version of the job: the same one again would not run anew.
        meta={"serai_deployment": str(deployment.pk), "serai_start": str(deployment.starts)},
    )
    return spec, secrets


def environment_key(asset: Asset) -> str:
    """The name of the environment that all deployments of this package share on a node."""
    parts = (LAYOUT, asset.package, asset.package_digest, asset.revision)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def train_arguments(arguments: Mapping[str, Any]) -> list[str]:
    """As ``deepaas-cli`` reads them: lists and dictionaries as Python writes them. None means "not given".

    In an order of its own: PostgreSQL keeps no order in what it stores as JSON."""
    given = {name: value for name, value in arguments.items() if value is not None}
    return [literal(f"--{name}={value}") for name, value in sorted(given.items())]


# ── Tasks ────────────────────────────────────────────────────────────────────────────────────────
def _package_tasks(
    deployment: Deployment, asset: Asset, env: Mapping[str, str], secrets: tuple[str, ...]
) -> tuple[TaskSpec, ...]:
    storage = f"{STORAGE_ROOT}/{deployment.project.slug}/{asset.slug}"
    environment = f"{PACKAGES_ROOT}/{environment_key(asset)}"
    main = TaskSpec(
        name="main",
        command=f"{environment}/bin/python",
        args=("${NOMAD_TASK_DIR}/run_module.py", *_program(deployment, "${NOMAD_IP_api}")),
        env={**env, "SERAI_STORAGE_DIR": storage},
        files=(_file("run_module.py"),),
        secrets=secrets,
        resources=_resources(deployment),
        kill_signal="SIGINT",  # DEEPaaS stays up after a SIGTERM to its group
        kill_timeout_seconds=STOP_SECONDS,
    )
    return (_storage_task(storage), _packages_task(deployment, asset), main)


def _container_tasks(
    deployment: Deployment, asset: Asset, env: Mapping[str, str], secrets: tuple[str, ...]
) -> tuple[TaskSpec, ...]:
    main = TaskSpec(
        name="main",
        runtime=Runtime.CONTAINER,
        image=literal(_image(deployment, asset)),
        command="python3",
        args=("${NOMAD_TASK_DIR}/run_module.py", *_program(deployment, "0.0.0.0")),  # noqa: S104 within the container; the port is published
        env=env,
        files=(_file("run_module.py"),),
        secrets=secrets,
        resources=_resources(deployment),
        kill_signal="SIGINT",
        kill_timeout_seconds=STOP_SECONDS,
    )
    return (main,)


def _storage_task(folder: str) -> TaskSpec:
    return TaskSpec(
        name="storage",
        lifecycle=Lifecycle.PRESTART,
        command="${meta.serai_python}",
        args=("${NOMAD_TASK_DIR}/storage.py", folder),
        files=(_file("storage.py"),),
        resources=SMALL,
        operator=True,
    )


def _packages_task(deployment: Deployment, asset: Asset) -> TaskSpec:
    asked = _resources(deployment)
    values = {
        "root": PACKAGES_ROOT,
        "key": environment_key(asset),
        "uv": "${meta.serai_uv}",
        "package": literal(asset.package),
        "needs": "deepaas-run" if deployment.kind == JobKind.SERVICE else "deepaas-cli",
    }
    return TaskSpec(
        name="packages",
        lifecycle=Lifecycle.PRESTART,
        command="${meta.serai_python}",
        args=("${NOMAD_TASK_DIR}/install.py", *(f"--{name}={value}" for name, value in values.items())),
        files=(_file("install.py"),),
        resources=Resources(asked.cpu_cores, min(asked.memory_mb, INSTALL_MEMORY_MB)),
        operator=True,
    )


def _program(deployment: Deployment, address: str) -> tuple[str, ...]:
    """What ``run_module.py`` is told; DEEPaaS listens on the port that the datacenter says, also in a container."""
    if deployment.kind == JobKind.BATCH:
        return ("train", *train_arguments(deployment.request["arguments"]))
    workers = deployment.request["options"].get(WORKERS.name, WORKERS.default)
    return ("serve", "--listen-ip", address, "--listen-port", "${NOMAD_PORT_api}", "--workers", str(workers))


# ── Parts ────────────────────────────────────────────────────────────────────────────────────────
def _own_env(deployment: Deployment) -> dict[str, str]:
    return {
        "SERAI_DEPLOYMENT_ID": str(deployment.pk),
        "SERAI_PROJECT": deployment.project.slug,
        "SERAI_MODULE": deployment.asset_slug,
        "PYTHONUNBUFFERED": "1",  # a live log is live
    }


def _resources(deployment: Deployment) -> Resources:
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


def _image(deployment: Deployment, asset: Asset) -> str:
    """The module's image with the tag that was asked for; a tag or digest of its own stays."""
    name = asset.docker_image
    pinned = "@" in name or ":" in name.rpartition("/")[2]
    return name if pinned else f"{name}:{deployment.request['options'].get(TAG.name, TAG.default)}"


def _file(name: str) -> File:
    return File(f"local/{name}", (FILES / name).read_text())
