"""Datasets, fetched by an operator's task before a job's own tasks start.

They are kept in the project's own folder of the node, or in an attached storage whose folder is named; tasks find each
at ``$SERAI_DATASETS_DIR/<target>``. Containers see no folder of the project: theirs are fetched anew at each start.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from datacenters.jobspec import File, JobSpec, Lifecycle, Resources, Runtime, TaskSpec
from jobs import attaching
from jobs.models import Deployment
from jobs.requests import DatasetRequest, StorageRequest

from .parts import STORAGE_ROOT, file, storage_task
from .storages import folder_of, seen_at

SHOWN = "${NOMAD_ALLOC_DIR}/data/datasets"
MEMORY_MB = 128


def fetch(spec: JobSpec, deployment: Deployment) -> JobSpec:
    """The job with the datasets that its request names; as it was, if it names none."""
    asked = [DatasetRequest(**one) for one in deployment.request.get("datasets") or ()]
    if not asked:
        return spec
    own = tuple(task if task.operator else _told(task) for task in spec.tasks)
    fetching = _task(asked, deployment, _runtime(spec))
    return replace(spec, tasks=(*_with_folder(own, deployment), fetching))


def kept_in(deployment: Deployment) -> str:
    """The project's folder of datasets; no module has a name that begins with a dot."""
    return f"{STORAGE_ROOT}/{deployment.project.slug}/.datasets"


def _runtime(spec: JobSpec) -> Runtime:
    containers = any(task.runtime is Runtime.CONTAINER for task in spec.tasks)
    return Runtime.CONTAINER if containers else Runtime.PACKAGE


def _told(task: TaskSpec) -> TaskSpec:
    return replace(task, env={**task.env, "SERAI_DATASETS_DIR": SHOWN})


def _with_folder(tasks: tuple[TaskSpec, ...], deployment: Deployment) -> tuple[TaskSpec, ...]:
    """The task that makes the module's folder makes this one, too."""
    if _is_in_containers(tasks):
        return tasks
    makers = [task for task in tasks if task.name == "storage"] or [storage_task(deployment)]
    maker = replace(makers[0], args=(*makers[0].args, kept_in(deployment)))
    return (maker, *(task for task in tasks if task.name != "storage"))


def _is_in_containers(tasks: tuple[TaskSpec, ...]) -> bool:
    return any(task.runtime is Runtime.CONTAINER for task in tasks)


def _task(asked: list[DatasetRequest], deployment: Deployment, runtime: Runtime) -> TaskSpec:
    plan = {
        "zenodo": settings.ZENODO_URL,
        "trusted_hosts": [*settings.SERAI_TRUSTED_HOSTS, urlsplit(settings.ZENODO_URL).hostname],
        "datasets": [_planned(one, deployment, runtime) for one in asked],
    }
    return TaskSpec(
        name="datasets",
        lifecycle=Lifecycle.PRESTART,
        command="${meta.serai_python}",
        args=("${NOMAD_TASK_DIR}/datasets.py",),
        env={name: value for name, value in _places(deployment, runtime).items() if f"{{{name}}}" in json.dumps(plan)},
        files=(file("datasets.py"), File("local/datasets.json", json.dumps(plan))),
        resources=Resources(cpu_cores=0.2, memory_mb=MEMORY_MB),
        operator=True,
    )


def _places(deployment: Deployment, runtime: Runtime) -> dict[str, str]:
    """The plan names them in braces: a file's text is not interpolated, and variables are."""
    return {
        "SERAI_SHOWN": SHOWN,
        "SERAI_KEPT": kept_in(deployment),
        "SERAI_MOUNTS": folder_of(deployment),
        "SERAI_SEEN": seen_at(runtime, deployment),
    }


def _planned(asked: DatasetRequest, deployment: Deployment, runtime: Runtime) -> Mapping[str, Any]:
    what = {
        "source": asked.source,
        "record": attaching.record_of(asked.source),
        "checksum": asked.checksum,
        "force": asked.force,
    }
    return {**what, "link": f"{{SERAI_SHOWN}}/{asked.target}", **_where(asked, deployment, runtime)}


def _where(asked: DatasetRequest, deployment: Deployment, runtime: Runtime) -> Mapping[str, Any]:
    """In the storage whose folder the target names, else with the project's, else in the allocation."""
    storage = _storage_of(asked, deployment)
    if storage:
        waits_for, is_mount = f"{{SERAI_MOUNTS}}/{storage.target}", storage.mode == attaching.MOUNT
        folder, seen = f"{{SERAI_MOUNTS}}/{asked.target}", f"{{SERAI_SEEN}}/{asked.target}"
    elif runtime is Runtime.PACKAGE:
        waits_for, is_mount = "{SERAI_KEPT}", False
        folder = seen = f"{{SERAI_KEPT}}/{_key(asked)}"
    else:
        waits_for, is_mount = "/", False
        folder = seen = f"{{SERAI_SHOWN}}/{asked.target}"
    return {"folder": folder, "waits_for": waits_for, "is_mount": is_mount, "seen_at": seen}


def _storage_of(asked: DatasetRequest, deployment: Deployment) -> StorageRequest | None:
    first, slash, _rest = asked.target.partition("/")
    storages = [StorageRequest(**one) for one in deployment.request.get("storages") or ()]
    return next((one for one in storages if slash and one.target == first), None)


def _key(asked: DatasetRequest) -> str:
    """The same files for all deployments of the project that ask for the same."""
    return hashlib.sha256(f"{asked.source}\n{asked.checksum}".encode()).hexdigest()[:32]
