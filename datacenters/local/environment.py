"""What a task finds around itself: folders, NOMAD_* variables, a clean environment."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .state import Document
from .values import interpolate

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SECOND = 1_000_000_000


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
    return re.sub(r"[^A-Za-z0-9_]", "_", name)


def task_environment(
    job: Document, task: Document, allocation: Document, folders: Folders, node: Mapping[str, str]
) -> dict[str, str]:
    """Everything but the task's own Env and templates."""
    own = folders.task(task["Name"])
    clean = {"PATH": PATH, "HOME": str(own / "local"), "LANG": "C.UTF-8", "TMPDIR": str(own / "tmp")}
    places = {
        "NOMAD_ALLOC_DIR": str(folders.shared),
        "NOMAD_TASK_DIR": str(own / "local"),
        "NOMAD_SECRETS_DIR": str(own / "secrets"),
    }
    return {
        **clean,
        **places,
        **_names(job, task, allocation, node),
        **_limits(allocation["AllocatedResources"]["Tasks"][task["Name"]]),
        **_meta(job, job["TaskGroups"][0], task),
        **_ports(allocation["AllocatedResources"]["Shared"]["Ports"] or []),
    }


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
    found = {}
    for port in ports:
        label, ip, value = _variable(port["Label"]), port["HostIP"], str(port["Value"])
        found[f"NOMAD_ALLOC_PORT_{label}"] = value
        for kind in ("", "HOST_"):
            found[f"NOMAD_{kind}IP_{label}"] = ip
            found[f"NOMAD_{kind}PORT_{label}"] = value
            found[f"NOMAD_{kind}ADDR_{label}"] = f"{ip}:{value}"
    return found


def device_environment(given: Document) -> dict[str, str]:
    """Which devices are the task's, as the vendor's plugin would tell it."""
    ids = [i for device in given["Devices"] or [] if device["Vendor"] == "nvidia" for i in device["DeviceIDs"]]
    return {"NVIDIA_VISIBLE_DEVICES": ",".join(ids)} if ids else {}


def with_own(base: Mapping[str, str], own: Mapping[str, str] | None, node: Mapping[str, str]) -> dict[str, str]:
    """The task's Env put over the rest; each value may name what is there before it."""
    known = interpolation(base, node)
    return {**base, **{_name(key): interpolate(value, known) for key, value in (own or {}).items()}}


def _name(key: str) -> str:
    return re.sub(r"[\0=]", "_", key)


def interpolation(env: Mapping[str, str], node: Mapping[str, str]) -> dict[str, str]:
    """What ``${…}`` may name: variables by name or as ``env.NAME``, and the node's facts."""
    return {**node, **env, **{f"env.{name}": value for name, value in env.items()}}
