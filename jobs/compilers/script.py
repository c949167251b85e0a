"""A script without a module: its file says it all but for the script, and the folder whose files are kept."""

from collections.abc import Mapping
from dataclasses import replace

from datacenters.jobspec import JobSpec, Lifecycle, Runtime, TaskSpec
from jobs.models import Deployment
from jobs.tools import Tool

from . import parts
from .batch import output, script
from .tool import compile_tool

ID = "script"


def compile_script(deployment: Deployment, tool: Tool, runtime: Runtime) -> tuple[JobSpec, Mapping[str, str]]:
    spec, secrets = compile_tool(deployment, tool, runtime)
    tasks = (_with_script(task, deployment) if task.lifecycle is Lifecycle.MAIN else task for task in spec.tasks)
    return replace(spec, tasks=tuple(tasks)), secrets


def _with_script(task: TaskSpec, deployment: Deployment) -> TaskSpec:
    kept = output(deployment, task.runtime, parts.storage_folder(deployment))
    files = (*task.files, parts.file("run_module.py"), *script(deployment))
    return replace(task, env={**task.env, **kept}, files=files)
