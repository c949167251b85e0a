"""Nomad's HTTP API, as far as Serai's adapter speaks it: exactly these calls, and no other."""

import asyncio
import hmac
import json
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from . import logs
from .agent import Agent, job_status, job_summary
from .allocations import folders_of
from .errors import Refused
from .filters import matcher
from .http import Request, Response, Stream, answer, text
from .node import FULL_VERSION, VERSION, VERSION_METADATA
from .state import Document, EventPart, JobKey
from .supervise import NotStarted
from .usage import total

HEARTBEAT = 10.0  # seconds
DEFAULT_WAIT = 300.0
UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
STREAMS = ("stdout", "stderr")

Answer = Response | Stream
Route = Callable[..., Awaitable[Answer]]


class Routes:
    """One method a route; ``find`` picks it by method and path."""

    def __init__(self, agent: Agent) -> None:
        self.agent, self.state = agent, agent.state

    async def handle(self, request: Request) -> Answer:
        """Answer one request, in Nomad's order: path, method, token, region."""
        try:
            route, arguments = self._find(request)
            self._check(request)
            return await route(request, *arguments)
        except Refused as refused:
            return text(refused.message, refused.status)

    def _find(self, request: Request) -> tuple[Route, tuple[str, ...]]:
        if request.segments[0] != "v1":
            raise Refused(404, "")
        path, methods = request.segments[1:], []
        for (method, pattern), name in TABLE.items():
            arguments = _match(pattern.split("/"), path)
            if arguments is not None:
                methods.append(method)
                if request.method in method.split("|"):
                    return getattr(self, name), arguments
        raise Refused(405, "Invalid method") if methods else Refused(404, "")

    def admits(self, request: Request) -> bool:
        """Whether the request shows the token."""
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        token = request.headers.get("x-nomad-token") or bearer
        return hmac.compare_digest(token.encode(), self.agent.settings.token.encode())

    def _check(self, request: Request) -> None:
        if not self.admits(request):
            raise Refused(403, "Permission denied")
        if request.ask("region", self.agent.settings.region) != self.agent.settings.region:
            raise Refused(500, "No path to region")

    # -- helpers

    def _answer(self, document: Any) -> Response:
        return answer(document, self.state.index)

    def _seen(self, request: Request, document: Document) -> bool:
        namespace = request.ask("namespace", "default")
        return namespace in ("*", document["Namespace"])

    def _key(self, request: Request, job_id: str) -> JobKey:
        return request.ask("namespace", "default"), job_id

    async def _wait(self, request: Request) -> None:
        """A blocking query: answer once the index has passed the given one."""
        if not request.ask("index"):
            return
        if not request.ask("index").isdigit():
            raise Refused(400, "Invalid index")
        await self.state.changed(int(request.ask("index")), _seconds(request.ask("wait")))

    def _allocation(self, request: Request, allocation_id: str, missing: str = "alloc not found") -> Document:
        if len(allocation_id) != 36:
            raise Refused(500, "alloc lookup failed: index error: UUID must be 36 characters")
        found = self.state.documents["Allocation"].get(allocation_id)
        if found is None or not self._seen_whole(request, found):
            raise Refused(404, missing)
        return found

    def _seen_whole(self, request: Request, document: Document) -> bool:
        """One object by its id: only a namespace that was named can hide it."""
        return not request.ask("namespace") or self._seen(request, document)

    # -- agent, token, namespaces

    async def agent_self(self, _: Request) -> Answer:
        settings = self.agent.settings
        version = {"BuildDate": "", "Revision": "", "Version": VERSION, "VersionPrerelease": ""}
        config = {
            "Datacenter": settings.datacenter,
            "Region": settings.region,
            "Name": self.agent.node["Name"],
            "Version": {**version, "VersionMetadata": VERSION_METADATA},
        }
        tags = {"build": FULL_VERSION, "dc": settings.datacenter, "region": settings.region}
        member = {"Addr": "127.0.0.1", "Name": self.agent.node["Name"], "Status": "alive", "Tags": tags}
        return self._answer({"config": config, "member": member, "stats": {}})

    async def token_self(self, _: Request) -> Answer:
        token = {"Name": "local", "Type": "management", "Policies": None, "Roles": None, "Global": True}
        return self._answer({"AccessorID": self.agent.node["ID"], "SecretID": "", "ExpirationTime": None, **token})

    async def namespaces(self, _: Request) -> Answer:
        return self._answer(sorted(self.state.documents["Namespace"].values(), key=lambda one: one["Name"]))

    async def save_namespace(self, request: Request) -> Answer:
        self.agent.save_namespace(_body(request))
        return Response()

    # -- jobs

    async def jobs(self, request: Request) -> Answer:
        await self._wait(request)
        found = [job for job in self.state.jobs() if self._seen(request, job)]
        found = [job for job in found if job["ID"].startswith(request.ask("prefix"))]
        return self._answer([self._stub(job, meta=request.flag("meta")) for job in found])

    def _stub(self, job: Document, *, meta: bool) -> Document:
        stub = {name: job[name] for name in JOB_STUB}
        stub.update(Periodic=False, ParameterizedJob=False, JobSummary=job_summary(job, self.state))
        return {**stub, "Meta": job["Meta"]} if meta else stub

    async def register(self, request: Request) -> Answer:
        evaluation = self.agent.register(_job(request), request.ask("namespace"))
        return self._answer(self._evaluated(evaluation, Warnings=""))

    def _evaluated(self, evaluation: Document | None, **more: Any) -> Document:
        index = evaluation["JobModifyIndex"] if evaluation else 0
        created = evaluation["CreateIndex"] if evaluation else 0
        identity = {"EvalCreateIndex": created, "EvalID": evaluation["ID"] if evaluation else ""}
        common = {"Index": index, "JobModifyIndex": index, "KnownLeader": False, "LastContact": 0, "NextToken": ""}
        return {**identity, **common, **more}

    async def plan(self, request: Request, job_id: str) -> Answer:
        given = _job(request)
        if given.get("ID") != job_id:
            raise Refused(400, "Job ID does not match")
        updates, refused = self.agent.plan(given, request.ask("namespace"))
        old = self.state.job((request.ask("namespace") or given.get("Namespace") or "default", job_id))
        return self._answer(
            {
                "Annotations": {"DesiredTGUpdates": updates, "PreemptedAllocs": None},
                "CreatedEvals": None,
                "Diff": None,
                "FailedTGAllocs": refused,
                "Index": 0,
                "JobModifyIndex": old["JobModifyIndex"] if old else 0,
                "NextPeriodicLaunch": None,
                "Warnings": "",
            }
        )

    async def job(self, request: Request, job_id: str) -> Answer:
        await self._wait(request)
        found = self.state.job(self._key(request, job_id))
        if found is None:
            raise Refused(404, "job not found")
        return self._answer({**found, "Status": job_status(found, self.state)})

    async def deregister(self, request: Request, job_id: str) -> Answer:
        evaluation = self.agent.deregister(self._key(request, job_id), purge=request.flag("purge"))
        return self._answer(self._evaluated(evaluation, VolumeEvalID="", VolumeEvalIndex=0))

    async def job_allocations(self, request: Request, job_id: str) -> Answer:
        await self._wait(request)
        found = self.state.allocations(self._key(request, job_id))
        return self._answer([_short(document) for document in found])

    async def job_evaluations(self, request: Request, job_id: str) -> Answer:
        await self._wait(request)
        return self._answer(self.state.evaluations(self._key(request, job_id)))

    # -- allocations, evaluations

    async def allocations(self, request: Request) -> Answer:
        await self._wait(request)
        found = [document for document in self.state.allocations() if self._seen(request, document)]
        wanted = matcher(request.ask("filter"))
        found = [one for one in found if one["ID"].startswith(request.ask("prefix")) and wanted(one)]
        states = request.ask("task_states", "true") != "false"
        return self._answer([_short(one, states=states, resources=request.flag("resources")) for one in found])

    async def allocation(self, request: Request, allocation_id: str) -> Answer:
        await self._wait(request)
        found = self._allocation(request, allocation_id)
        return self._answer({**found, "Job": self.state.runs[allocation_id].job})

    async def evaluations(self, request: Request) -> Answer:
        await self._wait(request)
        wanted = matcher(request.ask("filter"))
        return self._answer([one for one in self.state.evaluations() if self._seen(request, one) and wanted(one)])

    async def restart(self, request: Request, allocation_id: str) -> Answer:
        document = self._allocation(request, allocation_id, f'Unknown allocation "{allocation_id}"')
        task = str(_body(request).get("TaskName") or "") if request.body else ""
        runner = self.agent.runners.get(allocation_id)
        if task and task not in document["TaskStates"]:
            raise Refused(500, f"Could not find task runner for task: {task}")
        if runner is None:
            raise Refused(500, "Task not running")
        try:
            await runner.restart(task)
        except NotStarted as error:
            raise Refused(500, str(error)) from error
        return self._answer({"Index": 0})

    async def stats(self, request: Request, allocation_id: str) -> Answer:
        document = self._allocation(request, allocation_id, f'Unknown allocation "{allocation_id}"')
        meter = self.agent.meter
        running = [name for name, state in document["TaskStates"].items() if state["State"] == "running"]
        usages = {name: meter.usage(allocation_id, name) for name in running}
        return self._answer(
            {
                "ResourceUsage": total([usage["ResourceUsage"] for usage in usages.values()]),
                "Tasks": usages,
                "Timestamp": time.time_ns(),
            }
        )

    async def logs(self, request: Request, allocation_id: str) -> Answer:
        document = self._allocation(request, allocation_id, f'Unknown allocation "{allocation_id}"')
        task, stream = request.ask("task"), request.ask("type")
        state = _checked_log(document, task, stream)
        folder, name = folders_of(self.agent.settings.tasks, allocation_id).logs, f"{task}.{stream}"
        offset = request.ask("offset", "0")
        if not offset.isdigit():
            raise Refused(400, f'error parsing offset: strconv.ParseInt: parsing "{offset}": invalid syntax')
        at = logs.start(folder, name, int(offset), request.ask("origin", "start"))
        reading = logs.Reading(folder, name, at, lambda: bool(state["State"] == "dead"), request.flag("follow"))
        if request.flag("plain"):
            return Stream(logs.plain(reading), "text/plain; charset=utf-8")
        return Stream(logs.framed(reading))

    # -- events

    async def events(self, request: Request) -> Answer:
        index = request.ask("index", "0")
        if not index.isdigit():
            raise Refused(400, f'Unable to parse index: strconv.Atoi: parsing "{index}": invalid syntax')
        return Stream(self._event_lines(request, int(index)))

    async def _event_lines(self, request: Request, index: int) -> AsyncGenerator[bytes, None]:
        topics = _topics(request.query.get("topic", ["*"]))
        namespace = request.ask("namespace", "default")
        yield b"{}\n"
        last = index - 1
        while True:
            seen = self.state.index
            for event in [event for event in self.state.events if event.index > last]:
                last = event.index
                if told := [part.body for part in event.parts if _wanted(topics, part, namespace)]:
                    yield b'{"Index":%d,"Events":[%s]}\n' % (event.index, b",".join(told))
            before = asyncio.get_running_loop().time()
            await self.state.changed(seen, HEARTBEAT)
            if asyncio.get_running_loop().time() - before >= HEARTBEAT:
                yield b"{}\n"

    # -- variables

    async def save_variable(self, request: Request, *path: str) -> Answer:
        items = _body(request).get("Items")
        if not isinstance(items, dict) or not items:
            raise Refused(400, "variable missing required Items object")
        if not all(isinstance(value, str) for value in items.values()):
            raise Refused(400, "json: cannot unmarshal number into Go struct field Items of type string")
        return self._answer(self.agent.save_variable(request.ask("namespace", "default"), "/".join(path), items))

    async def delete_variable(self, request: Request, *path: str) -> Answer:
        self.agent.delete_variable(request.ask("namespace", "default"), "/".join(path))
        return Response(status=204)

    async def variable(self, request: Request, *path: str) -> Answer:
        found = self.state.variable(request.ask("namespace", "default"), "/".join(path))
        if found is None:
            raise Refused(404, "variable not found")
        return self._answer(found)

    # -- nodes

    async def nodes(self, request: Request) -> Answer:
        node = self.agent.node
        stub = {name: node[name] for name in NODE_STUB}
        stub.update(Address="127.0.0.1", Version=FULL_VERSION)
        if request.flag("resources"):
            stub.update(NodeResources=node["NodeResources"], ReservedResources=node["ReservedResources"])
        return self._answer([stub])

    async def node(self, _: Request, node_id: str) -> Answer:
        self._check_node(node_id)
        return self._answer(self.agent.node)

    async def eligibility(self, request: Request, node_id: str) -> Answer:
        self._check_node(node_id)
        self.agent.drains.set_eligibility(str(_body(request).get("Eligibility") or ""))
        return self._node_changed()

    async def drain(self, request: Request, node_id: str) -> Answer:
        self._check_node(node_id)
        body = _body(request)
        if spec := body.get("DrainSpec"):
            self.agent.drains.begin(spec)
        else:
            self.agent.drains.end(eligible=body.get("MarkEligible") is True)
        return self._node_changed()

    def _check_node(self, node_id: str) -> None:
        if node_id != self.agent.node["ID"]:
            raise Refused(404, "node not found")

    def _node_changed(self) -> Response:
        index = self.agent.node["ModifyIndex"]
        return self._answer({"EvalCreateIndex": 0, "EvalIDs": None, "Index": index, "NodeModifyIndex": index})


# A job's id may hold slashes (quoted or not), so may a variable's path: "*" takes all that is left.
TABLE = {
    ("GET", "agent/self"): "agent_self",
    ("GET", "acl/token/self"): "token_self",
    ("GET", "namespaces"): "namespaces",
    ("POST|PUT", "namespace"): "save_namespace",
    ("GET", "jobs"): "jobs",
    ("POST|PUT", "jobs"): "register",
    ("POST|PUT", "job/:id/plan"): "plan",
    ("GET", "job/:id"): "job",
    ("DELETE", "job/:id"): "deregister",
    ("GET", "job/:id/allocations"): "job_allocations",
    ("GET", "job/:id/evaluations"): "job_evaluations",
    ("GET", "allocations"): "allocations",
    ("GET", "allocation/:id"): "allocation",
    ("GET", "evaluations"): "evaluations",
    ("POST|PUT", "client/allocation/:id/restart"): "restart",
    ("GET", "client/allocation/:id/stats"): "stats",
    ("GET", "client/fs/logs/:id"): "logs",
    ("GET", "event/stream"): "events",
    ("POST|PUT", "var/*"): "save_variable",
    ("DELETE", "var/*"): "delete_variable",
    ("GET", "var/*"): "variable",
    ("GET", "nodes"): "nodes",
    ("GET", "node/:id"): "node",
    ("POST|PUT", "node/:id/eligibility"): "eligibility",
    ("POST|PUT", "node/:id/drain"): "drain",
}
JOB_STUB = (
    "CreateIndex", "Datacenters", "ID", "JobModifyIndex", "ModifyIndex", "Multiregion", "Name", "Namespace",
    "NodePool", "ParentID", "Priority", "Status", "StatusDescription", "Stop", "SubmitTime", "Type", "Version",
)  # fmt: skip
NODE_STUB = (
    "CreateIndex", "Datacenter", "Drain", "Drivers", "HostVolumes", "ID", "LastDrain", "ModifyIndex", "Name",
    "NodeClass", "NodePool", "SchedulingEligibility", "Status", "StatusDescription",
)  # fmt: skip
NOT_IN_LISTS = ("AllocatedResources", "Metrics", "TaskStates")


def _match(pattern: list[str], path: tuple[str, ...]) -> tuple[str, ...] | None:
    """The path's arguments, if it is of this pattern."""
    if pattern[-1] == "*":
        head = pattern[:-1]
        return path[len(head) :] if list(path[: len(head)]) == head and len(path) > len(head) else None
    if len(pattern) != len(path):
        return None
    pairs = list(zip(pattern, path, strict=True))
    if any(part != given for part, given in pairs if not part.startswith(":")):
        return None
    return tuple(given for part, given in pairs if part.startswith(":"))


def _body(request: Request) -> Document:
    try:
        found = json.loads(request.body)
    except ValueError as error:
        raise Refused(400, str(error)) from error
    if not isinstance(found, dict):
        raise Refused(400, "json: cannot unmarshal into Go value: an object is needed")
    return found


def _job(request: Request) -> Document:
    job = _body(request).get("Job")
    if not isinstance(job, dict):
        raise Refused(400, "Job must be specified")
    return job


def _seconds(wait: str) -> float:
    if not wait:
        return DEFAULT_WAIT
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h)", wait)
    if not found:
        raise Refused(400, "Invalid wait time")
    return float(found[1]) * UNITS[found[2]]


def _short(document: Document, *, states: bool = True, resources: bool = False) -> Document:
    short = {name: value for name, value in document.items() if name not in NOT_IN_LISTS}
    short["TaskStates"] = document["TaskStates"] if states else None
    return {**short, "AllocatedResources": document["AllocatedResources"]} if resources else short


def _checked_log(document: Document, task: str, stream: str) -> Document:
    if not task:
        raise Refused(400, "must provide task name")
    if stream not in STREAMS:
        raise Refused(400, "must provide log type (stdout/stderr)")
    state: Document | None = document["TaskStates"].get(task)
    if state is None:
        raise Refused(400, f'unknown task name "{task}"')
    if not state["StartedAt"]:
        raise Refused(404, f'task "{task}" not started yet. No logs available')
    return state


def _topics(asked: list[str]) -> dict[str, set[str]]:
    """Topic → keys; ``*`` is any."""
    topics: dict[str, set[str]] = {}
    for one in asked:
        topic, _, key = one.partition(":")
        topics.setdefault(topic, set()).add(key or "*")
    return topics


def _wanted(topics: dict[str, set[str]], part: EventPart, namespace: str) -> bool:
    if namespace != "*" and part.namespace not in ("", namespace):
        return False
    keys = topics.get(part.topic, set()) | topics.get("*", set())
    return not keys.isdisjoint(("*", *part.keys))
