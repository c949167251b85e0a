"""Taking a job in: every fault named at once, every member filled in as Nomad would."""

import re
from collections.abc import Iterator
from typing import Any

from .errors import Refused
from .state import Document
from .templates import TemplateFault, parse
from .values import KNOWN_OPERATORS

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE

JOB: Document = {
    "Affinities": None, "AllAtOnce": False, "Constraints": None, "ConsulNamespace": "", "Datacenters": ["*"],
    "DispatchIdempotencyToken": "", "Dispatched": False, "ID": "", "Meta": None, "Multiregion": None, "Name": "",
    "Namespace": "default", "NodePool": "default", "NomadTokenID": "", "ParameterizedJob": None, "ParentID": "",
    "Payload": None, "Periodic": None, "Priority": 50, "Region": "", "Spreads": None, "Stable": False, "Status": "",
    "StatusDescription": "", "Stop": False, "SubmitTime": 0, "TaskGroups": None, "Type": "service", "UI": None,
    "Update": None, "VaultNamespace": "", "Version": 0, "VersionTag": None,
}  # fmt: skip
GROUP: Document = {
    "Affinities": None, "Constraints": None, "Consul": None, "Count": 1, "Disconnect": None, "EphemeralDisk": None,
    "MaxClientDisconnect": None, "MaxRunDuration": None, "Meta": None, "Migrate": None, "Name": "", "Networks": None,
    "PreventRescheduleOnLost": False, "ReschedulePolicy": None, "RestartPolicy": None, "Scaling": None,
    "Services": None, "ShutdownDelay": None, "Spreads": None, "StopAfterClientDisconnect": None, "Tasks": None,
    "Update": None, "Volumes": None,
}  # fmt: skip
TASK: Document = {
    "Actions": None, "Affinities": None, "Artifacts": None, "CSIPluginConfig": None, "Config": None,
    "Constraints": None, "Consul": None, "DispatchPayload": None, "Driver": "", "Env": None, "Identities": None,
    "Identity": None, "KillSignal": "", "KillTimeout": 5 * SECOND, "Kind": "", "Leader": False, "Lifecycle": None,
    "LogConfig": None, "Meta": None, "Name": "", "Resources": None, "RestartPolicy": None, "ScalingPolicies": None,
    "Schedule": None, "Secrets": None, "Services": None, "ShutdownDelay": 0, "Templates": None, "User": "",
    "Vault": None, "VolumeMounts": None,
}  # fmt: skip
RESOURCES: Document = {
    "CPU": 100, "Cores": 0, "Devices": None, "DiskMB": 0, "IOPS": 0, "MemoryMB": 300, "MemoryMaxMB": 0, "NUMA": None,
    "Networks": None, "SecretsMB": 0,
}  # fmt: skip
TEMPLATE: Document = {
    "ChangeMode": "restart", "ChangeScript": None, "ChangeSignal": "", "DestPath": "", "EmbeddedTmpl": "",
    "Envvars": False, "ErrMissingKey": False, "Gid": None, "LeftDelim": "{{", "Once": False, "Perms": "0644",
    "RightDelim": "}}", "SourcePath": "", "Splay": 5 * SECOND, "Uid": None, "VaultGrace": 0, "Wait": None,
}  # fmt: skip
DEVICE: Document = {"Affinities": None, "Constraints": None, "Count": 1, "Name": ""}
NETWORK: Document = {"DynamicPorts": None, "Mode": "host", "ReservedPorts": None}
PORT: Document = {"HostNetwork": "default", "Label": "", "To": 0, "Value": 0}
DISK: Document = {"Migrate": False, "SizeMB": 300, "Sticky": False}
LOGS: Document = {"Disabled": False, "MaxFileSizeMB": 10, "MaxFiles": 10}
LIFECYCLE: Document = {"Hook": "", "Sidecar": False}
CONSTRAINT: Document = {"LTarget": "", "Operand": "=", "RTarget": ""}
RESTART: dict[str, Document] = {
    "service": {"Attempts": 2, "Delay": 15 * SECOND, "Interval": 30 * MINUTE, "Mode": "fail", "RenderTemplates": False},
    "batch": {"Attempts": 3, "Delay": 15 * SECOND, "Interval": 24 * HOUR, "Mode": "fail", "RenderTemplates": False},
}
NO_RESCHEDULE: Document = {
    "Attempts": 0, "Delay": 0, "DelayFunction": "", "Interval": 0, "MaxDelay": 0, "Unlimited": False,
}  # fmt: skip
IDENTITY: Document = {
    "Audience": ["nomadproject.io"], "ChangeMode": "", "ChangeSignal": "", "Env": False, "ExtraClaims": None,
    "File": False, "Filepath": "", "Name": "default", "ServiceName": "", "TTL": 0,
}  # fmt: skip

NAME = re.compile(r"[^\0/]{1,256}")
HOOKS = ("prestart", "poststart", "poststop")
UNSUPPORTED_JOB = ("Periodic", "ParameterizedJob", "Multiregion")
UNSUPPORTED_TASK = ("Artifacts", "Vault", "Consul", "DispatchPayload", "VolumeMounts", "CSIPluginConfig")


def _take(given: Any, defaults: Document, where: str) -> Document:
    """The known members of an object, null ones replaced; a wrong JSON type is a malformed request."""
    if not isinstance(given, dict):
        raise Refused(400, f"json: cannot unmarshal {_kind(given)} into Go struct field {where} of type object")
    taken = {name: default if given.get(name) is None else given[name] for name, default in defaults.items()}
    for name, default in defaults.items():
        if default is not None and not _fits(taken[name], default):
            wrong = f"json: cannot unmarshal {_kind(taken[name])} into Go struct field {where}.{name}"
            raise Refused(400, f"{wrong} of type {_kind(default)}")
    return taken


def _fits(value: Any, default: Any) -> bool:
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(default, bool) and isinstance(value, bool)
    return isinstance(value, type(default))


def _kind(value: Any) -> str:
    names = {bool: "bool", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")


def _list(given: Any, defaults: Document, where: str) -> list[Document] | None:
    return [_take(item, defaults, where) for item in _array(given, where)] or None


def _array(given: Any, where: str) -> list[Any]:
    if given is not None and not isinstance(given, list):
        raise Refused(400, f"json: cannot unmarshal {_kind(given)} into Go struct field {where} of type array")
    return given or []


def _texts(given: Any, where: str) -> dict[str, str] | None:
    """A map of texts (Env, Meta)."""
    if not given:
        return None
    if not isinstance(given, dict):
        raise Refused(400, f"json: cannot unmarshal {_kind(given)} into Go struct field {where} of type map")
    wrong = next((value for value in given.values() if not isinstance(value, str)), None)
    if wrong is not None:
        raise Refused(400, f"json: cannot unmarshal {_kind(wrong)} into Go struct field {where} of type string")
    return given


def filled(given: Any, region: str) -> Document:
    """The job with every member, as ``GET job`` shows it."""
    job = _take(given, JOB, "Job")
    job["Region"] = region
    job["Name"] = job["Name"] or job["ID"]
    job["Meta"] = _texts(job["Meta"], "Job.Meta")
    job["Constraints"] = _list(job["Constraints"], CONSTRAINT, "Job.Constraints")
    job["TaskGroups"] = [_filled_group(group, job["Type"]) for group in _array(job["TaskGroups"], "Job.TaskGroups")]
    return job


def _filled_group(given: Any, kind: str) -> Document:
    group = _take(given, GROUP, "TaskGroup")
    group["Meta"] = _texts(group["Meta"], "TaskGroup.Meta")
    group["Constraints"] = _list(group["Constraints"], CONSTRAINT, "TaskGroup.Constraints")
    group["EphemeralDisk"] = _take(group["EphemeralDisk"] or {}, DISK, "TaskGroup.EphemeralDisk")
    group["Networks"] = _filled_networks(group["Networks"])
    group["RestartPolicy"] = _take(group["RestartPolicy"] or {}, RESTART.get(kind, RESTART["service"]), "RestartPolicy")
    group["ReschedulePolicy"] = _take(group["ReschedulePolicy"] or {}, NO_RESCHEDULE, "ReschedulePolicy")
    group["Tasks"] = [_filled_task(task, group) for task in _array(group["Tasks"], "TaskGroup.Tasks")]
    return group


def _filled_networks(given: Any) -> list[Document] | None:
    networks = _list(given, NETWORK, "TaskGroup.Networks")
    for network in networks or []:
        for ports in ("DynamicPorts", "ReservedPorts"):
            network[ports] = _list(network[ports], PORT, f"Networks.{ports}")
    return networks


def _filled_task(given: Any, group: Document) -> Document:
    task = _take(given, TASK, "Task")
    task["Identity"] = IDENTITY
    task["Config"] = task["Config"] if isinstance(task["Config"], dict) else {}
    task["Env"], task["Meta"] = _texts(task["Env"], "Task.Env"), _texts(task["Meta"], "Task.Meta")
    task["Constraints"] = _list(task["Constraints"], CONSTRAINT, "Task.Constraints")
    task["LogConfig"] = _take(task["LogConfig"] or {}, LOGS, "Task.LogConfig")
    task["RestartPolicy"] = _take(task["RestartPolicy"] or {}, group["RestartPolicy"], "Task.RestartPolicy")
    task["Lifecycle"] = _take(task["Lifecycle"], LIFECYCLE, "Task.Lifecycle") if task["Lifecycle"] else None
    task["Templates"] = _list(task["Templates"], TEMPLATE, "Task.Templates")
    task["Resources"] = _filled_resources(task["Resources"] or {})
    return task


def _filled_resources(given: Any) -> Document:
    resources = _take(given, RESOURCES, "Task.Resources")
    if resources["Cores"]:
        resources["CPU"] = 0
    resources["Devices"] = _list(resources["Devices"], DEVICE, "Resources.Devices")
    for device in resources["Devices"] or []:
        device["Constraints"] = _list(device["Constraints"], CONSTRAINT, "Devices.Constraints")
    return resources


# -- faults


def faults(job: Document) -> list[str]:
    """Everything wrong with a filled-in job, all at once."""
    return [*_job_faults(job), *_constraint_faults(job["Constraints"]), *_groups_faults(job["TaskGroups"])]


def _job_faults(job: Document) -> Iterator[str]:
    if not job["ID"]:
        yield "Missing job ID"
    elif " " in job["ID"]:
        yield "Job ID contains a space"
    if job["Type"] not in RESTART:
        yield f'Invalid job type: "{job["Type"]}" (the local datacenter runs service and batch jobs)'
    if not 1 <= job["Priority"] <= 100:
        yield "job priority must be between [1, 100]"
    if not job["Datacenters"] or not all(isinstance(name, str) for name in job["Datacenters"]):
        yield "Missing job datacenters"
    for member in UNSUPPORTED_JOB:
        if job[member]:
            yield f"{member} is not supported by the local datacenter"
    if not job["TaskGroups"]:
        yield "Missing job task groups"
    elif len(job["TaskGroups"]) > 1:
        yield "The local datacenter runs one task group a job"


def _groups_faults(groups: list[Document]) -> Iterator[str]:
    for group in groups:
        where = f"Task group {group['Name']} validation failed: "
        yield from (where + fault for fault in (*_group_faults(group), *_constraint_faults(group["Constraints"])))


def _group_faults(group: Document) -> Iterator[str]:
    if not group["Name"]:
        yield "Missing task group name"
    if group["Count"] != 1:
        yield "The local datacenter runs one allocation a job: Count must be 1"
    policy = group["ReschedulePolicy"]
    if policy["Attempts"] or policy["Unlimited"]:
        yield "The local datacenter has one node and reschedules nothing: ReschedulePolicy.Attempts must be 0"
    if not group["Tasks"]:
        yield "Missing tasks for task group"
        return
    yield from _network_faults(group["Networks"] or [])
    yield from _tasks_faults(group)


def _network_faults(networks: list[Document]) -> Iterator[str]:
    if len(networks) > 1 or any(network["Mode"] != "host" for network in networks):
        yield "The local datacenter knows one network, in mode host"
    ports = [p for n in networks for p in (*(n["DynamicPorts"] or []), *(n["ReservedPorts"] or []))]
    labels = [port["Label"] for port in ports]
    yield from (f"Port label {label} already in use" for label in sorted({x for x in labels if labels.count(x) > 1}))
    if not all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", label) for label in labels):
        yield "Port labels are made of letters, digits, hyphens and underscores"


def _tasks_faults(group: Document) -> Iterator[str]:
    tasks = group["Tasks"]
    names = [task["Name"] for task in tasks]
    if all(task["Lifecycle"] for task in tasks):
        yield f"Task group {group['Name']} must have at least one main task"
    for task in tasks:
        if names.count(task["Name"]) > 1 and task is tasks[names.index(task["Name"])]:
            yield f"Task {names.index(task['Name']) + 1} ('{task['Name']}') is defined more than once"
        where = f"Task {task['Name']} validation failed: "
        yield from (where + fault for fault in (*_task_faults(task), *_constraint_faults(task["Constraints"])))
    logs = sum(task["LogConfig"]["MaxFiles"] * task["LogConfig"]["MaxFileSizeMB"] for task in tasks)
    if logs >= group["EphemeralDisk"]["SizeMB"]:
        disk = group["EphemeralDisk"]["SizeMB"]
        yield f"log storage ({logs} MB) must be less than requested disk capacity ({disk} MB)"


def _task_faults(task: Document) -> Iterator[str]:
    if not NAME.fullmatch(task["Name"]) or task["Name"] in (".", "..", "alloc", ".logs"):
        yield f'Task name "{task["Name"]}" cannot be used: choose one without slashes'
    if not task["Driver"]:
        yield "Missing task driver"
    if task["User"] not in ("", "root"):
        yield f'User "{task["User"]}" is not known to the local datacenter: leave it out'
    if task["KillTimeout"] < 0:
        yield "KillTimeout must be a positive value"
    if task["Lifecycle"] and task["Lifecycle"]["Hook"] not in HOOKS:
        yield f"Lifecycle validation failed: invalid hook: {task['Lifecycle']['Hook']}"
    for member in UNSUPPORTED_TASK:
        if task[member]:
            yield f"{member} is not supported by the local datacenter"
    if task["Driver"] == "raw_exec" and not isinstance(task["Config"].get("args") or [], list):
        yield "Config.args must be a list of texts"
    yield from _resource_faults(task["Resources"])
    yield from (fault for template in task["Templates"] or [] for fault in _template_faults(template))


def _resource_faults(resources: Document) -> Iterator[str]:
    if not resources["Cores"] and resources["CPU"] < 1:
        yield f"minimum CPU value is 1; got {resources['CPU']}"
    if resources["MemoryMB"] < 10:
        yield f"minimum MemoryMB value is 10; got {resources['MemoryMB']}"
    if 0 < resources["MemoryMaxMB"] < resources["MemoryMB"]:
        high, low = resources["MemoryMaxMB"], resources["MemoryMB"]
        yield f"MemoryMaxMB value ({high}) should be larger than MemoryMB value ({low})"
    for device in resources["Devices"] or []:
        if not device["Name"]:
            yield "device name must be given as one of the following: type, vendor/type, or vendor/type/name"
        if device["Count"] < 1:
            yield "device count must be at least one"
        yield from _constraint_faults(device["Constraints"])


def _template_faults(template: Document) -> Iterator[str]:
    if not template["EmbeddedTmpl"]:
        yield "Must have an embedded template: the local datacenter reads no source path"
    if not template["DestPath"]:
        yield "Must specify a destination for the template"
    elif ".." in template["DestPath"].split("/"):
        yield "destination escapes allocation directory"
    if not re.fullmatch(r"0?[0-7]{3}", template["Perms"]):
        yield f"Failed to parse {template['Perms']} as octal"
    try:
        parse(template["EmbeddedTmpl"], template["LeftDelim"], template["RightDelim"])
    except TemplateFault as fault:
        yield f"Template {template['DestPath']}: {fault}"


def _constraint_faults(constraints: list[Document] | None) -> Iterator[str]:
    for number, constraint in enumerate(constraints or [], start=1):
        operator, right = constraint["Operand"], constraint["RTarget"]
        if operator not in KNOWN_OPERATORS:
            yield f'Constraint {number} validation failed: Unknown constraint type "{operator}"'
        elif operator == "regexp":
            try:
                re.compile(right)
            except re.error as error:
                yield f"Constraint {number} validation failed: Regular expression failed to compile: {error}"
        elif operator not in ("is_set", "is_not_set") and not right:
            yield f'Constraint {number} validation failed: Operator "{operator}" requires an RTarget'
