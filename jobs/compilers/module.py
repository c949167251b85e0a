"""A module that answers DEEPaaS's API: as a service, or one training of it as a batch."""

import hashlib
from collections.abc import Mapping
from typing import Any

from datacenters.jobspec import JobKind, JobSpec, Port, Runtime, TaskSpec, literal
from jobs import tracking
from jobs.models import Deployment
from jobs.options import TAG, WORKERS
from marketplace.models import Asset

from . import batch, beside, parts
from .parts import LAYOUT, PACKAGES_ROOT

PORT = Port("api", health_path="/swagger.json")
STOP_SECONDS = 20  # a training or a prediction that is being worked on may end


def compile_module(deployment: Deployment, asset: Asset, runtime: Runtime) -> tuple[JobSpec, Mapping[str, str]]:
    """The job and its secrets; a pure function of the rows, so that sending it twice sends the same."""
    env, secrets = tracking.environment(deployment)
    env = {**parts.own_env(deployment), **env}
    build = {Runtime.PACKAGE: _package_tasks, Runtime.CONTAINER: _container_tasks}[runtime]
    tasks = build(deployment, asset, env, tuple(sorted(secrets)))
    ports = (PORT,) if deployment.kind == JobKind.SERVICE else ()
    lab = beside.jupyterlab(deployment, f"{PACKAGES_ROOT}/{environment_key(asset)}", tasks[-1].env, secrets)
    if lab:
        tasks, ports, secrets = lab.tasks(*tasks), (*ports, *lab.ports), {**secrets, **lab.secrets}
    return parts.job(deployment, tasks, ports), secrets


def environment_key(asset: Asset) -> str:
    """The name of the environment that all deployments of this package share on a node."""
    words = (LAYOUT, asset.package, asset.package_digest, asset.revision)
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:32]


def train_arguments(arguments: Mapping[str, Any]) -> list[str]:
    """As ``deepaas-cli`` reads them: lists and dictionaries as Python writes them. None means "not given".

    In an order of its own: PostgreSQL keeps no order in what it stores as JSON."""
    given = {name: value for name, value in arguments.items() if value is not None}
    return [literal(f"--{name}={value}") for name, value in sorted(given.items())]


# ── Tasks ────────────────────────────────────────────────────────────────────────────────────────
def _package_tasks(
    deployment: Deployment, asset: Asset, env: Mapping[str, str], secrets: tuple[str, ...]
) -> tuple[TaskSpec, ...]:
    environment, storage = f"{PACKAGES_ROOT}/{environment_key(asset)}", parts.storage_folder(deployment)
    main = TaskSpec(
        name="main",
        command=f"{environment}/bin/python",
        args=("${NOMAD_TASK_DIR}/run_module.py", *_program(deployment, "${NOMAD_IP_api}")),
        env={**env, "SERAI_STORAGE_DIR": storage, **batch.output(deployment, Runtime.PACKAGE, storage)},
        files=(parts.file("run_module.py"), *batch.script(deployment)),
        secrets=secrets,
        resources=parts.resources(deployment),
        restarts=deployment.request.get("retries", 0),
        kill_signal="SIGINT",  # DEEPaaS stays up after a SIGTERM to its group
        kill_timeout_seconds=STOP_SECONDS,
    )
    return (parts.storage_task(deployment), _packages_task(deployment, asset), main)


def _container_tasks(
    deployment: Deployment, asset: Asset, env: Mapping[str, str], secrets: tuple[str, ...]
) -> tuple[TaskSpec, ...]:
    main = TaskSpec(
        name="main",
        runtime=Runtime.CONTAINER,
        image=literal(_image(deployment, asset)),
        command="python3",
        args=("${NOMAD_TASK_DIR}/run_module.py", *_program(deployment, "0.0.0.0")),  # noqa: S104 within the container; the port is published
        env={**env, **batch.output(deployment, Runtime.CONTAINER, "${NOMAD_ALLOC_DIR}")},
        files=(parts.file("run_module.py"), *batch.script(deployment)),
        secrets=secrets,
        resources=parts.resources(deployment),
        restarts=deployment.request.get("retries", 0),
        kill_signal="SIGINT",
        kill_timeout_seconds=STOP_SECONDS,
    )
    return (main,)


def _packages_task(deployment: Deployment, asset: Asset) -> TaskSpec:
    needs = "deepaas-run" if deployment.kind == JobKind.SERVICE else "deepaas-cli"
    what = {"package": literal(asset.package), "needs": needs}
    return parts.packages_task(deployment, environment_key(asset), what)


def _program(deployment: Deployment, address: str) -> tuple[str, ...]:
    """What ``run_module.py`` is told; DEEPaaS listens on the port that the datacenter says, also in a container."""
    if deployment.kind == JobKind.BATCH:
        what = "script" if deployment.request.get("script") else "train"
        return (what, *train_arguments(deployment.request["arguments"]))
    workers = deployment.request["options"].get(WORKERS.name, WORKERS.default)
    return ("serve", "--listen-ip", address, "--listen-port", "${NOMAD_PORT_api}", "--workers", str(workers))


def _image(deployment: Deployment, asset: Asset) -> str:
    """The module's image with the tag that was asked for; a tag or digest of its own stays."""
    name = asset.docker_image
    pinned = "@" in name or ":" in name.rpartition("/")[2]
    return name if pinned else f"{name}:{deployment.request['options'].get(TAG.name, TAG.default)}"
