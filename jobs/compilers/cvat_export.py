"""The export of annotations: its file says it all but where the annotation server is, and its password."""

from collections.abc import Mapping
from dataclasses import replace

from datacenters.jobspec import JobSpec, Lifecycle, Runtime
from jobs import tools
from jobs.models import Deployment
from jobs.tools import Tool, references

from .parts import CannotCompile
from .tool import compile_tool

ID, PASSWORD = "cvat-export", "CVAT_PASSWORD"


def compile_export(deployment: Deployment, tool: Tool, runtime: Runtime) -> tuple[JobSpec, Mapping[str, str]]:
    option = next(option for option in tool.options if option.of)
    server = references.deployment_named(
        str(deployment.request["options"].get(option.name, "")), option, deployment.project
    )
    if server is None or not server.endpoints:
        raise CannotCompile(references.why_not(option))
    spec, secrets = compile_tool(deployment, tool, runtime)
    where = server.endpoints[0]
    url = f"http://{where['host']}:{where['port']}"
    mains = (
        replace(task, env={**task.env, "CVAT_URL": url}) if task.lifecycle is Lifecycle.MAIN else task
        for task in spec.tasks
    )
    return replace(spec, tasks=tuple(mains)), {**secrets, PASSWORD: tools.secrets_of(server)[PASSWORD]}
