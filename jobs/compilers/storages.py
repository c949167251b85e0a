"""Attached storages, in a job of any kind: the operator's tasks that bring them, and what the job's own tasks see.

One folder of the node is the job's: ``<mounts root>/<job>``, with a mount or copies for each storage. Packages find it
by its path, containers have it bound at ``/storages``. The storages' secrets go to the operator's tasks alone.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from datacenters.jobspec import File, JobSpec, Lifecycle, Mount, Resources, Runtime, TaskSpec
from datacenters.storage import StorageProblem, environment
from jobs import attaching
from jobs.models import Deployment
from jobs.requests import StorageRequest
from jobs.storages import remote_of

from .parts import FILES, CannotCompile, file

MOUNTS_ROOT = "${meta.serai_mounts_root}"
IN_CONTAINERS = "/storages"
PROGRAM = FILES / "attaching"
BEFORE = (Lifecycle.PRESTART, Lifecycle.PRESTART_SIDECAR)
RESTARTS = 20  # of the task that holds them, in half an hour
STOP_SECONDS = 30
# Seen with files of 400 MB: 11 MB for itself, 28 for each mount, 70 while it copies; rclone is told to stay below 128.
OWN_MEMORY_MB, MEMORY_MB_OF_EACH = 64, 192


@dataclass(frozen=True)
class Attached:
    """A storage as this job is told of it. ``environment`` holds its secrets."""

    plan: Mapping[str, Any]
    environment: Mapping[str, str]


def attach(spec: JobSpec, secrets: Mapping[str, str], deployment: Deployment) -> tuple[JobSpec, Mapping[str, str]]:
    """The job with the storages that its request names; as it was, if it names none."""
    asked = [StorageRequest(**one) for one in deployment.request.get("storages") or ()]
    if not asked:
        return spec, secrets
    attached = [_attached(one, deployment) for one in asked]
    values = {name: value for one in attached for name, value in one.environment.items()}
    own = tuple(_shown(task, deployment) for task in spec.tasks)
    first, last = _before(attached, sorted(values), deployment), _after(attached, sorted(values), deployment)
    return replace(spec, tasks=(*first, *own, last)), {**secrets, **values}


def folder_of(deployment: Deployment) -> str:
    """Of the node; nothing that a person typed is in it."""
    return f"{MOUNTS_ROOT}/{deployment.job_id}"


def seen_at(runtime: Runtime, deployment: Deployment) -> str:
    """Where the job's own tasks find what is attached."""
    return IN_CONTAINERS if runtime is Runtime.CONTAINER else folder_of(deployment)


def _attached(asked: StorageRequest, deployment: Deployment) -> Attached:
    storage = attaching.attachable(deployment.project, deployment.owner).filter(pk=asked.storage).first()
    if storage is None:
        text = _("The storage that was attached as “%(name)s” is gone, or no longer yours to attach.")
        raise CannotCompile(text % {"name": asked.target})
    name = f"S{storage.pk.hex}".upper()
    try:
        remote = remote_of(storage, from_outside=_is_elsewhere(deployment))
        source = remote.at(asked.path, name=name)
    except StorageProblem as problem:
        raise CannotCompile(_("%(storage)s: %(why)s") % {"storage": storage, "why": problem}) from None
    what = {"target": asked.target, "mode": asked.mode, "read_only": asked.read_only}
    return Attached({"remote": name, "source": source, **what}, environment(remote, name))


def _is_elsewhere(deployment: Deployment) -> bool:
    assert deployment.datacenter is not None
    return not deployment.datacenter.local


def _shown(task: TaskSpec, deployment: Deployment) -> TaskSpec:
    if task.operator:
        return task
    env = {**task.env, "SERAI_STORAGES_DIR": seen_at(task.runtime, deployment)}
    # A container that starts before the storages are there would not start at all: its folder is not made yet.
    if task.runtime is Runtime.PACKAGE or task.lifecycle in BEFORE:
        return replace(task, env=env)
    return replace(task, env=env, mounts=(*task.mounts, Mount(folder_of(deployment), IN_CONTAINERS)))


# ── The operator's tasks ─────────────────────────────────────────────────────────────────────────
def _before(attached: Sequence[Attached], secrets: Sequence[str], deployment: Deployment) -> tuple[TaskSpec, TaskSpec]:
    hold = TaskSpec(
        name="storages",
        lifecycle=Lifecycle.PRESTART_SIDECAR,
        restarts=RESTARTS,
        **_program("hold", attached, secrets, deployment),
    )
    wait = TaskSpec(
        name="storage-wait",
        lifecycle=Lifecycle.PRESTART,
        command="${meta.serai_python}",
        args=("${NOMAD_TASK_DIR}/wait_for_storages.py", *(one.plan["target"] for one in attached)),
        env={"SERAI_MOUNTS": MOUNTS_ROOT},
        files=(file("wait_for_storages.py"),),
        resources=Resources(cpu_cores=0.1, memory_mb=64),
        operator=True,
    )
    return hold, wait


def _after(attached: Sequence[Attached], secrets: Sequence[str], deployment: Deployment) -> TaskSpec:
    """The job counts as stopped when this has ended: when all that was written is where it belongs."""
    return TaskSpec(name="storages-end", lifecycle=Lifecycle.POSTSTOP, **_program("end", attached, secrets, deployment))


def _program(what: str, attached: Sequence[Attached], secrets: Sequence[str], deployment: Deployment) -> dict[str, Any]:
    env = {"SERAI_MOUNTS": MOUNTS_ROOT, "SERAI_RCLONE": "${meta.serai_rclone}", "PYTHONPATH": "${NOMAD_TASK_DIR}"}
    if any(one.plan["mode"] == attaching.MOUNT for one in attached):
        env["SERAI_FUSE"] = "${meta.serai_fuse}"  # so that it goes where there is one
    return {
        "command": "${meta.serai_python}",
        "args": ("-B", "-m", "attaching", what),
        "env": env,
        "files": (*_files(), File("local/storages.json", _plan(attached, deployment))),
        "secrets": tuple(secrets),
        "resources": Resources(cpu_cores=0.2, memory_mb=OWN_MEMORY_MB + MEMORY_MB_OF_EACH * len(attached)),
        "operator": True,
        "kill_timeout_seconds": STOP_SECONDS,
    }


def _files() -> tuple[File, ...]:
    return tuple(File(f"local/attaching/{one.name}", one.read_text()) for one in sorted(PROGRAM.glob("*.py")))


def _plan(attached: Sequence[Attached], deployment: Deployment) -> str:
    values = {
        "storages": [one.plan for one in attached],
        "copy_seconds": settings.STORAGE_COPY_SECONDS,
        "flush_seconds": settings.STORAGE_FLUSH_SECONDS,
        "timeout_seconds": settings.STORAGE_TIMEOUT_SECONDS,
        "cache_mb": deployment.request["resources"]["disk_mb"],
    }
    return json.dumps(values)
