"""What a task finds around itself: folders, NOMAD_* variables, a clean environment."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .state import Document
from .values import interpolate

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# What fetching packages may need of the agent's own environment: certificates, proxies, uv's and npm's settings.
HANDED_DOWN = re.compile(
    r"SSL_CERT_(FILE|DIR)|NODE_EXTRA_CA_CERTS|(?i:(http|https|all|no)_proxy|npm_config_\w+)|UV_\w+"
)


@dataclass(frozen=True)
class Folders:
    """Of one allocation. The root is the agent's own, so that a task cannot put a link where the agent writes."""

    root: Path

    @property
    def shared(self) -> Path:
        return self.root / "alloc"

    @property
    def logs(self) -> Path:
        return self.root / ".logs"

    def task(self, name: str) -> Path:
        return self.root / name


def _variable(name: str) -> str:
    return name.replace("-", "_")


def task_environment(
    job: Document, task: Document, allocation: Document, folders: Folders, node: Mapping[str, str]
) -> dict[str, str]:
    """Everything but what templates add."""
    own = folders.task(task["Name"])
    clean = {"PATH": PATH, "HOME": str(own / "local"), "LANG": "C.UTF-8", "TMPDIR": str(own / "tmp")}
    nomad = {
        "NOMAD_ALLOC_DIR": str(folders.shared),
        "NOMAD_TASK_DIR": str(own / "local"),
        "NOMAD_SECRETS_DIR": str(own / "secrets"),
        **_names(job, task, allocation, node),
        **_limits(allocation["AllocatedResources"]["Tasks"][task["Name"]]),
        **_ports(allocation["AllocatedResources"]["Shared"]["Ports"] or []),
    }
    # In Nomad's order: meta may name the node and NOMAD_*, Env may name meta too, but neither another of its kind.
    nomad |= _interpolated(_meta(job, job["TaskGroups"][0], task), {**node, **nomad})
    return clean | nomad | _interpolated(task["Env"] or {}, {**node, **nomad, **(task["Env"] or {})})


def _interpolated(values: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    return {name: interpolate(value, known) for name, value in values.items()}


def _names(job: Document, task: Document, allocation: Document, node: Mapping[str, str]) -> dict[str, str]:
    return {
        "NOMAD_ALLOC_ID": allocation["ID"],
        "NOMAD_SHORT_ALLOC_ID": allocation["ID"][:8],
        "NOMAD_ALLOC_NAME": allocation["Name"],
        "NOMAD_ALLOC_INDEX": "0",
        "NOMAD_GROUP_NAME": allocation["TaskGroup"],
        "NOMAD_TASK_NAME": task["Name"],
        "NOMAD_JOB_ID": job["ID"],
        "NOMAD_JOB_NAME": job["Name"],
        "NOMAD_NAMESPACE": job["Namespace"],
        "NOMAD_REGION": job["Region"],
        "NOMAD_DC": node["node.datacenter"],
    }


def _limits(given: Document) -> dict[str, str]:
    limits = {"NOMAD_CPU_LIMIT": str(given["Cpu"]["CpuShares"]), "NOMAD_MEMORY_LIMIT": str(given["Memory"]["MemoryMB"])}
    if given["Memory"]["MemoryMaxMB"]:
        limits["NOMAD_MEMORY_MAX_LIMIT"] = str(given["Memory"]["MemoryMaxMB"])
    if given["Cpu"]["ReservedCores"]:
        limits["NOMAD_CPU_CORES"] = ",".join(map(str, given["Cpu"]["ReservedCores"]))
    return limits


def _meta(*levels: Document) -> dict[str, str]:
    """Meta in upper case and as written; the task's over the group's over the job's."""
    found = {}
    for level in levels:
        for name, value in (level["Meta"] or {}).items():
            found[f"NOMAD_META_{_variable(name).upper()}"] = value
            found[f"NOMAD_META_{_variable(name)}"] = value
    return found


def _ports(ports: list[Document]) -> dict[str, str]:
    """As Nomad names them: some with the label as written, some with underscores for its hyphens."""
    found: dict[str, str] = {}
    for port in ports:
        label, ip, value = port["Label"], port["HostIP"], str(port["Value"])
        clean, address = _variable(label), f"{ip}:{value}"
        found |= {f"NOMAD_IP_{clean}": ip, f"NOMAD_PORT_{clean}": value, f"NOMAD_ADDR_{clean}": address}
        found |= {f"NOMAD_HOST_IP_{label}": ip, f"NOMAD_HOST_PORT_{clean}": value, f"NOMAD_HOST_ADDR_{label}": address}
        found[f"NOMAD_ALLOC_PORT_{label}"] = value
    return found


def device_environment(given: Document) -> dict[str, str]:
    """Which devices are the task's, as the vendor's plugin would tell it."""
    ids = [i for device in given["Devices"] or [] if device["Vendor"] == "nvidia" for i in device["DeviceIDs"]]
    return {"NVIDIA_VISIBLE_DEVICES": ",".join(ids)} if ids else {}


def operator_environment() -> dict[str, str]:
    """What an operator task gets of the agent's own environment."""
    return {name: value for name, value in os.environ.items() if HANDED_DOWN.fullmatch(name)}


def config_values(env: Mapping[str, str], node: Mapping[str, str]) -> dict[str, str]:
    """What ``${…}`` may name in a task's Config: variables by name or as ``env.NAME``, and the node's facts."""
    return {**node, **env, **{f"env.{name}": value for name, value in env.items()}}
