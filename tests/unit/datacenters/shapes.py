"""Small answers in Nomad's shape, made here; the recorded ones of a real Nomad are in $SERAI_SHARED/nomad-api."""

from typing import Any

from datacenters.interface import DeviceGroup, NodeFacts
from datacenters.jobspec import JobKind, JobSpec, TaskSpec

JOB_ID = "serai-11111111-2222-4333-8444-555555555555"
NODE_ID = "aaaaaaaa-0000-4000-8000-000000000001"


def a_spec(*tasks: TaskSpec, **changes: Any) -> JobSpec:
    given = {"id": JOB_ID, "namespace": "ada", "kind": JobKind.SERVICE, "datacenters": ("dc1",)}
    return JobSpec(tasks=tasks or (a_task(),), **{**given, **changes})


def a_task(name: str = "main", **changes: Any) -> TaskSpec:
    return TaskSpec(name=name, **{"command": "/usr/bin/python3", **changes})


def job(**changes: Any) -> dict[str, Any]:
    given = {"ID": JOB_ID, "Namespace": "ada", "Type": "service", "Status": "running", "Stop": False}
    return {**given, "Meta": {"serai_main": "main"}, "ModifyIndex": 10, **changes}


def allocation(status: str = "running", **changes: Any) -> dict[str, Any]:
    given = {"ID": "bbbbbbbb-0000-4000-8000-000000000001", "ClientStatus": status, "DesiredStatus": "run"}
    where = {"NodeID": NODE_ID, "NodeName": "dc1-1", "CreateIndex": 11, "ModifyIndex": 12}
    memory = {"Tasks": {"main": {"Memory": {"MemoryMB": 1000}}}}
    ports = {"Shared": {"Ports": [{"Label": "api", "Value": 21000, "HostIP": "127.0.0.1"}]}}
    return {**given, **where, "JobID": JOB_ID, "Namespace": "ada", "AllocatedResources": memory | ports, **changes}


def task(state: str, *events: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"State": state, "Failed": False, "Restarts": 0, "Events": list(events), **changes}


def event(kind: str, text: str = "", **details: str) -> dict[str, Any]:
    return {"Type": kind, "DisplayMessage": text, "Details": details, "Time": 1_700_000_000_000_000_000}


def ended(code: int, signal: int = 0, oom: bool = False) -> dict[str, Any]:
    return event("Terminated", "", exit_code=str(code), signal=str(signal), oom_killed=str(oom).lower())


def failed_task(*events: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return task("dead", *events, event("Not Restarting", "Policy allows no restarts"), Failed=True, **changes)


def evaluation(status: str = "blocked", **metrics: Any) -> dict[str, Any]:
    failed = {"FailedTGAllocs": {"serai": metrics}} if metrics else {}
    return {"ID": "eval", "JobID": JOB_ID, "Namespace": "ada", "Status": status, "CreateIndex": 13} | failed


def node(name: str = "dc1-1", **changes: Any) -> NodeFacts:
    size = {"cpu_cores": 4, "cpu_mhz": 4_000, "memory_mb": 16_000, "disk_mb": 100_000}
    used = {"used_cpu_mhz": 0, "used_memory_mb": 0, "used_disk_mb": 0}
    given = {"id": name, "name": name, "datacenter": "dc1", "ready": True, "drivers": ("raw_exec",)}
    return NodeFacts(**{**given, **size, **used, **changes})


def gpus(model: str = "Tesla T4", count: int = 2, **changes: Any) -> DeviceGroup:
    given = {"vendor": "nvidia", "kind": "gpu", "healthy": count, "used": 0, "memory_mb": 15_360}
    return DeviceGroup(
        model=model, count=count, **{**given, "attributes": {"cuda_compute_capability": "7.5"}, **changes}
    )
