"""JupyterLab beside a module: a task of its own, whose notebooks see the module's packages and storage."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from datacenters.jobspec import Port, Resources, Runtime, TaskSpec
from jobs import tools
from jobs.models import Deployment

from .parts import PACKAGES_ROOT
from .tool import environment_key, own_task, packages_task


@dataclass(frozen=True)
class Beside:
    """What comes to the module's own tasks. Both get half of what was asked for; GPUs are the module's, since a
    device belongs to one task."""

    packages: TaskSpec
    task: TaskSpec
    ports: tuple[Port, ...]
    secrets: Mapping[str, str]

    def tasks(self, *own: TaskSpec) -> tuple[TaskSpec, ...]:
        return (self.packages, *map(_halved, own), self.task)


def jupyterlab(
    deployment: Deployment, module_environment: str, env: Mapping[str, str], tracked: Mapping[str, str]
) -> Beside | None:
    """None unless it was asked for. ``env`` is that of the module's own program, ``tracked`` its login to MLflow."""
    tool = tools.beside(deployment)
    if tool is None:
        return None
    way = tool.runtimes[Runtime.PACKAGE]
    own_env = {
        **env,
        "SERAI_ENVIRONMENT": f"{PACKAGES_ROOT}/{environment_key(way)}",
        "SERAI_MODULE_ENVIRONMENT": module_environment,
        "SERAI_MODULE_API": "http://${NOMAD_ADDR_api}",
    }
    task = own_task(deployment, way, way.main, Runtime.PACKAGE, own_env, tracked)
    return Beside(
        packages=replace(_halved(packages_task(deployment, way)), name=f"packages-{tool.id}"),
        task=replace(_halved(task), name=tool.id, resources=_half(replace(task.resources, gpu=None))),
        ports=tuple(Port(port.label, port.health_path) for port in tool.ports),
        secrets=tools.secrets_of(deployment),
    )


def _halved(task: TaskSpec) -> TaskSpec:
    return replace(task, resources=_half(task.resources))


def _half(asked: Resources) -> Resources:
    return replace(asked, cpu_cores=asked.cpu_cores / 2, memory_mb=asked.memory_mb // 2)
