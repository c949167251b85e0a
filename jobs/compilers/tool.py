"""A tool, as its file tells it. One that must compute something has a compiler of its own (``OF_TOOLS``)."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace

from datacenters.jobspec import OWN_DATA, File, JobSpec, Mount, Port, Resources, Runtime, TaskSpec, literal
from jobs import tools, tracking
from jobs.models import Deployment
from jobs.tools import Tool, ToolRuntime, ToolTask

from . import parts
from .parts import LAYOUT, PACKAGES_ROOT

REQUIREMENTS, PACKAGES = "requirements.txt", "packages.txt"


def compile_tool(deployment: Deployment, tool: Tool, runtime: Runtime) -> tuple[JobSpec, Mapping[str, str]]:
    """The job and its secrets; the same each time, since generated secrets are rows."""
    env, secrets = tracking.environment(deployment) if tool.tracking else ({}, {})
    env = {**parts.own_env(deployment), **_options(deployment, tool), **env}
    way = tool.runtimes[runtime]
    before: tuple[TaskSpec, ...] = ()
    if runtime is Runtime.PACKAGE:
        env["SERAI_STORAGE_DIR"] = parts.storage_folder(deployment)
        before = (parts.storage_task(deployment),)
    if way.requirements:
        env["SERAI_ENVIRONMENT"] = f"{PACKAGES_ROOT}/{environment_key(way)}"
        before += (packages_task(deployment, way),)
    elif tool.packages is not None:
        listed = str(deployment.request["options"].get(tool.packages, ""))
        env["SERAI_ENVIRONMENT"] = f"{PACKAGES_ROOT}/{key_of_listed(listed)}"
        before += (listed_packages_task(deployment, listed),)
    tasks = tuple(own_task(deployment, way, task, runtime, env, secrets) for task in way.tasks)
    own_network = way.network == "own"
    ports = tuple(Port(port.label, port.health_path, port.inside if own_network else None) for port in tool.ports)
    spec = replace(parts.job(deployment, before + tasks, ports), own_network=own_network)
    return spec, {**secrets, **tools.secrets_of(deployment)}


def environment_key(way: ToolRuntime) -> str:
    """The name of the environment that all deployments with this lock share on a node."""
    built = "".join(f"\n{name}\n{content}" for name, content in sorted(way.build.items()))
    return hashlib.sha256(f"{LAYOUT}\n{way.requirements}{built}".encode()).hexdigest()[:32]


def _options(deployment: Deployment, tool: Tool) -> dict[str, str]:
    given = deployment.request["options"]
    return {option.variable: _text(given.get(option.name, option.default)) for option in tool.options}


def _text(value: object) -> str:
    return literal(str(value).lower() if isinstance(value, bool) else str(value))


def packages_task(deployment: Deployment, way: ToolRuntime) -> TaskSpec:
    what = {"requirements": f"${{NOMAD_TASK_DIR}}/{REQUIREMENTS}"}
    what |= {"build": "${NOMAD_TASK_DIR}/build"} if way.build else {}
    files = [File(f"local/build/{name}", content) for name, content in way.build.items()]
    lock = File(f"local/{REQUIREMENTS}", way.requirements)
    return parts.packages_task(deployment, environment_key(way), what, lock, *files)


def key_of_listed(packages: str) -> str:
    """The name of the environment that all deployments with this list of packages share on a node."""
    return hashlib.sha256(f"{LAYOUT}\npackages\n{packages}".encode()).hexdigest()[:32]


def listed_packages_task(deployment: Deployment, packages: str) -> TaskSpec:
    what = {"packages": f"${{NOMAD_TASK_DIR}}/{PACKAGES}"}
    return parts.packages_task(deployment, key_of_listed(packages), what, File(f"local/{PACKAGES}", f"{packages}\n"))


def own_task(
    deployment: Deployment,
    way: ToolRuntime,
    task: ToolTask,
    runtime: Runtime,
    env: Mapping[str, str],
    tracked: Mapping[str, str],
) -> TaskSpec:
    return TaskSpec(
        name=task.name,
        runtime=runtime,
        lifecycle=task.lifecycle,
        command=task.command,
        image=f"{task.image}@{task.digest}" if task.digest else task.image,
        args=task.args,
        env={**env, **task.env},
        files=tuple(File(path, content) for path, content in task.files.items()),
        secrets=tuple(sorted({*task.secrets, *tracked})),
        mounts=tuple(Mount(f"{OWN_DATA}/{name}", target) for name, target in task.volumes.items()),
        resources=_share(parts.resources(deployment), task.share, first=task is way.main),
        restarts=max(task.restarts, deployment.request.get("retries", 0) if task is way.main else 0),
        shared_memory_mb=task.shared_memory_mb,
        kill_signal=task.kill_signal,
        kill_timeout_seconds=task.kill_timeout_seconds,
    )


def _share(asked: Resources, share: float, *, first: bool) -> Resources:
    return Resources(asked.cpu_cores * share, int(asked.memory_mb * share), asked.gpu if first else None)
