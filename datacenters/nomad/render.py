"""JobSpec → Nomad's JSON, a pure function. Everything Nomad is told about a job is written here."""

import itertools
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from datacenters.interface import JobRejected
from datacenters.jobspec import (
    CORE_MHZ,
    OWN_DATA,
    Device,
    File,
    JobKind,
    JobSpec,
    Lifecycle,
    Mount,
    Port,
    Runtime,
    TaskSpec,
)

from . import ingress

GROUP = "serai"
MAIN_META = "serai_main"  # names of the main tasks, so that a list of jobs is enough to know a status
SECRETS_FILE = "secrets/serai.env"

# Nomad reads ``${`` in one way in env (no escape at all) and in another in a task's config, where ``%{`` counts
# too. A sign that comes out of an interpolation is not read again, so this one way holds in both.
SIGNS = {"serai_dollar": "$", "serai_percent": "%"}
DOLLAR, PERCENT = (f"${{NOMAD_META_{name}}}" for name in SIGNS)

SECOND = 1_000_000_000  # Nomad counts in nanoseconds
LOG_FILES, LOG_FILE_MB = 3, 5
# Nomad's own smallest; less is refused.
LEAST_CPU_MHZ, LEAST_MEMORY_MB = 1, 10
RESTART_DELAY_SECONDS, RESTART_INTERVAL_SECONDS = 5, 1_800
YEAR_SECONDS = 365 * 24 * 3_600
MOST_PROCESSES = 8_192  # of a container: more is a mistake that would take the machine along

HOOKS = {
    Lifecycle.PRESTART: {"Hook": "prestart", "Sidecar": False},
    Lifecycle.PRESTART_SIDECAR: {"Hook": "prestart", "Sidecar": True},
    Lifecycle.POSTSTART_SIDECAR: {"Hook": "poststart", "Sidecar": True},
    Lifecycle.POSTSTOP: {"Hook": "poststop", "Sidecar": False},
}
# A lost client keeps its processes running: a replacement would run the job twice.
STAY_WITH_THE_NODE = {"LostAfter": 48 * 3600 * SECOND, "Replace": False, "Reconcile": "keep_original"}
NO_RESCHEDULING = {
    "Attempts": 0,
    "Interval": 24 * 3600 * SECOND,
    "Delay": 30 * SECOND,
    "DelayFunction": "constant",
    "MaxDelay": 0,
    "Unlimited": False,
}

_JOB_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NODE_META = re.compile(r"(?<!\$)\$\{meta\.([A-Za-z0-9_]+)\}")  # not in what ``literal`` made text


@dataclass(frozen=True)
class Drivers:
    """Which of Nomad's drivers runs a package and which a container."""

    package: str = "exec"
    container: str = "docker"

    def of(self, runtime: Runtime) -> str:
        return self.package if runtime is Runtime.PACKAGE else self.container


GUARDED = Drivers()
# raw_exec is root on the node: for the local datacenter and for clusters marked as test machines.
TRUSTED = Drivers(package="raw_exec")


def job_json(spec: JobSpec, drivers: Drivers = GUARDED) -> dict[str, Any]:
    """The job as Nomad takes it; raises JobRejected if no Nomad could."""
    _check(spec)
    return {
        "ID": spec.id,
        "Name": spec.id,
        "Namespace": spec.namespace,
        "Type": str(spec.kind),
        "Priority": spec.priority,
        "Datacenters": list(spec.datacenters),
        "Meta": {**spec.meta, **SIGNS, MAIN_META: ",".join(_main_tasks(spec))},
        "Constraints": _node_constraints(spec),
        "TaskGroups": [_group(spec, drivers)],
    }


def variable_path(job_id: str) -> str:
    """Where the job's secrets are; its tasks may read there by their own identity."""
    return f"nomad/jobs/{job_id}"


def variable_items(spec: JobSpec, secrets: Mapping[str, str]) -> dict[str, str]:
    """The secrets as the variable holds them: quoted for the environment file where they need it."""
    wanted = sorted({key for task in spec.tasks for key in task.secrets})
    missing = [key for key in wanted if key not in secrets]
    if missing:
        raise JobRejected(f"The job's secret {missing[0]} has no value; its task would wait for it without end.")
    return {key: _quoted(key, value) for key, value in secrets.items()}


def _group(spec: JobSpec, drivers: Drivers) -> dict[str, Any]:
    logs_mb = LOG_FILES * LOG_FILE_MB * len(spec.tasks)
    group: dict[str, Any] = {
        "Name": GROUP,
        "Count": 1,
        # Nomad refuses a disk that the logs alone could fill.
        "EphemeralDisk": {"SizeMB": max(spec.disk_mb, logs_mb + 10)},
        "RestartPolicy": _restarts(0),
        "ReschedulePolicy": NO_RESCHEDULING,
        "Disconnect": STAY_WITH_THE_NODE,
        "Tasks": [_task(task, spec, drivers) for task in spec.tasks],
    }
    if spec.ports:
        group["Networks"] = [_network(spec)]
        group["Services"] = [_service(spec, port) for port in spec.ports]
    if spec.kind is JobKind.SERVICE:
        # With Nomad's own deployments a job that cannot be placed would show as running.
        group["Update"] = {"MaxParallel": 0}
    return group


def _network(spec: JobSpec) -> dict[str, Any]:
    if not spec.own_network:
        return {"Mode": "host", "DynamicPorts": [{"Label": port.label} for port in spec.ports]}
    # -1: listen inside at the number that is open outside.
    ports = [{"Label": port.label, "To": port.inside or -1} for port in spec.ports]
    return {"Mode": "bridge", "DynamicPorts": ports}


def _service(spec: JobSpec, port: Port) -> dict[str, Any]:
    name = f"{spec.id}-{port.label}".lower()
    told = {"Tags": tags} if (tags := ingress.tags(name, port)) else {}
    return {"Name": name, "PortLabel": port.label, "Provider": "nomad", **told}


def _task(task: TaskSpec, spec: JobSpec, drivers: Drivers) -> dict[str, Any]:
    rendered: dict[str, Any] = {
        "Name": task.name,
        "Driver": drivers.of(task.runtime),
        "Config": _container(task, spec) if task.runtime is Runtime.CONTAINER else _program(task),
        "Env": {name: _env_text(value) for name, value in task.env.items()},
        "Resources": _resources(task),
        "RestartPolicy": _restarts(task.restarts, _restart_interval(task, spec)),
        "KillSignal": task.kill_signal,
        "KillTimeout": task.kill_timeout_seconds * SECOND,
        "LogConfig": {"MaxFiles": LOG_FILES, "MaxFileSizeMB": LOG_FILE_MB},
        "Templates": [*_secrets(task, spec), *(_file(file) for file in task.files)],
    }
    if task.lifecycle in HOOKS:
        rendered["Lifecycle"] = HOOKS[task.lifecycle]
    if task.operator:
        rendered["User"] = "root"
    return rendered


def _program(task: TaskSpec) -> dict[str, Any]:
    return {"command": _config_text(task.command), "args": [_config_text(text) for text in task.args]}


def _container(task: TaskSpec, spec: JobSpec) -> dict[str, Any]:
    # init: a process 1 without a handler ignores the stop signal for ten seconds.
    config: dict[str, Any] = {
        "image": _config_text(task.image),
        "init": True,
        "args": [_config_text(text) for text in task.args],
        "security_opt": ["no-new-privileges"],  # no setuid program of the image gives more
        "pids_limit": MOST_PROCESSES,
    }
    if task.command:
        config["command"] = _config_text(task.command)
    if task.shared_memory_mb:
        config["shm_size"] = task.shared_memory_mb * 1024**2
    if spec.ports and not spec.own_network:
        config["ports"] = [port.label for port in spec.ports]
    if task.mounts:
        config["mount"] = [_bind(mount) for mount in task.mounts]
    return config


def _bind(mount: Mount) -> dict[str, Any]:
    bind = {"type": "bind", "source": mount.source, "target": mount.target, "readonly": mount.read_only}
    if _of_its_allocation(mount.source):
        return bind
    # What the operator's task mounts there later is seen too.
    return {**bind, "bind_options": [{"propagation": "rslave"}]}


def _env_text(text: str) -> str:
    """``jobspec.literal`` writes a ``${`` that is to stay text as ``$${``."""
    return re.sub(r"\$\$+\{", lambda found: DOLLAR * (len(found[0]) - 2) + "{", text)


def _config_text(text: str) -> str:
    def spelled(found: re.Match[str]) -> str:
        return DOLLAR * len(found[1]) + PERCENT * len(found[2]) + "{"

    return re.sub(r"(\$*)(%+)\{", spelled, _env_text(text))


def _resources(task: TaskSpec) -> dict[str, Any]:
    asked = task.resources
    rendered: dict[str, Any] = {
        "CPU": max(LEAST_CPU_MHZ, round(asked.cpu_cores * CORE_MHZ)),
        "MemoryMB": max(LEAST_MEMORY_MB, asked.memory_mb),
    }
    if asked.gpu is not None:
        rendered["Devices"] = [_device(asked.gpu)]
    return rendered


def _device(device: Device) -> dict[str, Any]:
    name = f"{device.vendor}/{device.kind}" if device.vendor else device.kind
    return {"Name": name, "Count": device.count, "Constraints": list(_device_constraints(device))}


def _device_constraints(device: Device) -> Iterable[dict[str, str]]:
    if device.model:
        yield _constraint("${device.model}", "=", device.model)
    if device.memory_mb:
        yield _constraint("${device.attr.memory}", ">=", f"{device.memory_mb} MiB")
    if device.compute_capability:
        yield _constraint("${device.attr.cuda_compute_capability}", "version", f">= {device.compute_capability:.1f}")


def _node_constraints(spec: JobSpec) -> list[dict[str, str]]:
    """A job that reads a node's metadata goes only where the node has it, instead of failing there."""
    texts = (text for task in spec.tasks for text in _interpolated(task))
    names = sorted({name for text in texts for name in _NODE_META.findall(text)})
    return [*_only_on(spec), *(_constraint(f"${{meta.{name}}}", "is_set", "") for name in names)]


def _only_on(spec: JobSpec) -> Iterable[dict[str, str]]:
    if spec.nodes is not None:
        yield _constraint("${node.unique.id}", "set_contains_any", ",".join(spec.nodes))


def _interpolated(task: TaskSpec) -> Iterable[str]:
    return itertools.chain([task.command], task.args, task.env.values(), (mount.source for mount in task.mounts))


def _constraint(left: str, operand: str, right: str) -> dict[str, str]:
    return {"LTarget": left, "Operand": operand, "RTarget": right}


def _restart_interval(task: TaskSpec, spec: JobSpec) -> int:
    # Nomad counts within it: a training that fails once an hour would be tried for ever within a shorter one.
    training = spec.kind is JobKind.BATCH and task.lifecycle is Lifecycle.MAIN
    return YEAR_SECONDS if training else RESTART_INTERVAL_SECONDS


def _restarts(attempts: int, interval: int = RESTART_INTERVAL_SECONDS) -> dict[str, Any]:
    # Nomad refuses an interval in which that many delays have no room.
    interval = max(interval, 2 * attempts * RESTART_DELAY_SECONDS)
    return {
        "Attempts": attempts,
        "Interval": interval * SECOND,
        "Delay": RESTART_DELAY_SECONDS * SECOND,
        "Mode": "fail",
    }


def _secrets(task: TaskSpec, spec: JobSpec) -> Iterable[dict[str, Any]]:
    if task.secrets:
        lines = "".join(f"{key}={{{{ .{key} }}}}\n" for key in task.secrets)
        path = variable_path(spec.id)
        yield {
            "DestPath": SECRETS_FILE,
            "EmbeddedTmpl": f'{{{{ with nomadVar "{path}" }}}}\n{lines}{{{{ end }}}}',
            "Envvars": True,
            "ChangeMode": "noop",
            "Perms": "0600",
        }


def _file(file: File) -> dict[str, Any]:
    left, right = _delimiters(file.content)
    return {
        "DestPath": file.path,
        "EmbeddedTmpl": file.content or "\n",  # Nomad refuses an empty one
        "LeftDelim": left,
        "RightDelim": right,
        "Envvars": False,
        "ChangeMode": "noop",
        "Perms": "0755" if file.executable else "0644",
    }


def _delimiters(content: str) -> tuple[str, str]:
    """Marks that do not occur in the text, so that Nomad's templates take all of it as it is."""
    for number in itertools.count():
        left, right = f"<%{number}<", f">{number}%>"
        if left not in content and right not in content:
            return left, right
    raise AssertionError  # count() does not end


def _quoted(key: str, value: str) -> str:
    """A value for one line of ``KEY=value``; what that form could misread goes into double quotes."""
    if "\0" in value:
        raise JobRejected(f"The value of secret {key} holds a zero byte, which no environment can carry.")
    return value if re.fullmatch(r"[A-Za-z0-9_.:/@%+=,~-]*", value) else json.dumps(value, ensure_ascii=False)


def _main_tasks(spec: JobSpec) -> list[str]:
    return [task.name for task in spec.tasks if task.lifecycle is Lifecycle.MAIN]


# ── What no Nomad could take, or what must never be sent ─────────────────────────────────────────


def _check(spec: JobSpec) -> None:
    _refuse_unless(_JOB_ID.fullmatch(spec.id), f"The job id {spec.id!r} may hold only letters, digits, dot, - and _.")
    _refuse_unless(_main_tasks(spec), "The job has no main task.")
    _refuse_unless(len({task.name for task in spec.tasks}) == len(spec.tasks), "Two tasks have the same name.")
    _refuse_unless(spec.datacenters, "The job names no datacenter.")
    _refuse_unless(spec.nodes is None or spec.nodes, "The job may run on no node.")
    _refuse_unless(
        spec.own_network or not any(port.inside for port in spec.ports), "Only a network of its own has inner ports."
    )
    for port in spec.ports:
        fits = _LABEL.fullmatch(port.label) and len(f"{spec.id}-{port.label}") <= 63
        _refuse_unless(fits, f"The port's name {port.label!r} is too long or holds more than letters, digits and -.")
    for task in spec.tasks:
        _check_task(task, spec)


def _check_task(task: TaskSpec, spec: JobSpec) -> None:
    _refuse_unless(task.runtime is Runtime.PACKAGE or task.image, f"The container {task.name} names no image.")
    _refuse_unless(task.runtime is Runtime.CONTAINER or task.command, f"The task {task.name} has no command.")
    _refuse_unless(
        task.runtime is Runtime.CONTAINER or not task.mounts,
        f"The task {task.name} runs without a container, so nothing can be mounted for it.",
    )
    for key in task.secrets:
        _refuse_unless(_KEY.fullmatch(key), f"{key!r} is no name of an environment variable.")
    for file in task.files:
        _refuse_unless(_inside(file.path), f"The file {file.path!r} does not lie in the task's folder.")
    for mount in task.mounts:
        own = _of_this_job(mount.source, spec.id) or _of_its_allocation(mount.source)
        _refuse_unless(own, f"{mount.source!r} is not the job's own mount folder.")
    device = task.resources.gpu
    if device is not None:
        asked = f"{device.vendor}{device.kind}{device.model}"
        _refuse_unless("${" not in asked and "/" not in device.vendor, "The GPU's vendor or model is no plain name.")


def _inside(path: str) -> bool:
    parts = PurePosixPath(path)
    return bool(parts.parts) and not parts.is_absolute() and ".." not in parts.parts and "${" not in path


def _of_this_job(source: str, job_id: str) -> bool:
    """``<operator's storage root>/<job id>`` or below; the root may be a node's own ``${meta.…}``."""
    parts = PurePosixPath(source).parts
    rooted = source.startswith(("/", "${meta."))
    return rooted and ".." not in parts and job_id in parts[1:]


def _of_its_allocation(source: str) -> bool:
    """One folder of what the tasks of an allocation share."""
    root, _slash, name = source.rpartition("/")
    return root == OWN_DATA and bool(_LABEL.fullmatch(name))


def _refuse_unless(fine: object, sentence: str) -> None:
    if not fine:
        raise JobRejected(sentence)
