"""The Adapter of a Nomad cluster, and of the local datacenter, which speaks the same."""

import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import quote

from datacenters.interface import (
    Access,
    Forecast,
    JobEvent,
    JobNotFound,
    JobRejected,
    JobState,
    NamespaceMissing,
    NodeFacts,
    Reason,
    Rights,
    TokenRefused,
    Unreachable,
    Usage,
)
from datacenters.jobspec import JobSpec

from . import access, render, rights
from .asks import Ask, ask_of
from .connection import Connection, documents, lines
from .events import NODE, TOPICS, changes, news
from .logs import followed
from .nodes import HOLDING, node_facts
from .reasons import why_not_placed
from .sanity import sane
from .states import TERMINAL, WAITING, Allocation, Evaluation, Job, job_state, needs_evaluations
from .usage import usage_of

EVERY_NAMESPACE = "*"
FACTS_LAST_SECONDS = 10
RESTART_SECONDS = 90  # Nomad answers when the task has ended, which its kill time-out may delay
# Nomad sends a sign of life at once, and then every 30 s.
FIRST_SIGN_SECONDS, SIGN_SECONDS = 5, 45
FOLLOW_SILENCE_SECONDS = 30
ASK_SECONDS = 3  # after that long what waits for a place is looked for again
# How all jobs of Serai begin, whichever deployment they are of.
OURS = "serai-"


class NomadAdapter:
    """One cluster, region and token; safe to use from several threads."""

    def __init__(
        self,
        address: str,
        *,
        token: str = "",
        region: str = "global",
        verify: bool | str = True,
        certificate: tuple[str, str] | None = None,  # files of Serai's own certificate and its key
        timeout: float = 10,
        drivers: render.Drivers = render.GUARDED,
    ) -> None:
        self.drivers = drivers
        self._calls = Connection(
            address, token=token, region=region, verify=verify, certificate=certificate, timeout=timeout
        )
        self._nomad = self._calls.nomad
        self._namespaces: set[str] = set()
        self._topics: tuple[str, ...] = (*TOPICS, NODE)
        self._asks = False  # its token is told no events
        self._facts = _Recent(self.nodes, FACTS_LAST_SECONDS)
        self._meta: dict[tuple[str, int], Mapping[str, str]] = {}
        self._datacenters: dict[str, str] = {}

    # ── The cluster ──────────────────────────────────────────────────────────────────────────────

    def check(self) -> str:
        self._check_token()
        self._calls.json(self._nomad.namespaces)  # goes to the region's servers: it must have some
        with _sense():
            try:
                return str(self._calls.json(self._nomad.agent, "self")["config"]["Version"]["Version"])
            except Unreachable:  # a project's token may not ask the agent, but it may see nodes
                return next((str(node["Version"]) for node in self._calls.json(self._nomad.nodes)), "")

    def rights(self) -> Rights:
        with _sense():
            return rights.of(self._calls)

    def ensure_namespace(self, namespace: str) -> None:
        if namespace in self._namespaces or namespace == "default":
            return
        with _sense():
            self._namespaces |= {one["Name"] for one in self._calls.json(self._nomad.namespaces)}
        if namespace not in self._namespaces:
            self._make_namespace(namespace)
            self._namespaces.add(namespace)

    def give_access(self, name: str, rules: str, namespace: str = "") -> Access:
        with _sense():
            return access.give(self._calls, name, rules, namespace)

    def end_access(self, accessor: str) -> None:
        access.end(self._calls, _id(accessor))

    def own_accessor(self) -> str:
        with _sense():
            return access.accessor(self._calls)

    def _make_namespace(self, namespace: str) -> None:
        body = {"Name": namespace, "Description": "A project of Serai"}
        refusal = f"The namespace {namespace} cannot be made"
        try:
            self._calls.json(self._nomad.namespace, method="post", body=body, refusal=refusal)
        except TokenRefused as error:
            # Only a management token makes namespaces; an operator may do it instead, once a project.
            raise NamespaceMissing(namespace) from error

    def nodes(self) -> Sequence[NodeFacts]:
        with _sense():
            listed = self._calls.json(self._nomad.nodes, resources="true")
            on_node = defaultdict(list)
            for allocation in self._live_allocations():
                on_node[allocation["NodeID"]].append(allocation)
            self._datacenters |= {node["ID"]: node["Datacenter"] for node in listed}
            return [sane(node_facts(node, self._node_meta(node), on_node[node["ID"]])) for node in listed]

    def _live_allocations(self) -> list[Mapping[str, Any]]:
        live = " or ".join(f'ClientStatus == "{status}"' for status in sorted(HOLDING))
        return self._allocations(filter=live, task_states="false")

    def _allocations(self, **query: Any) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = self._calls.json(
            self._nomad.allocations, namespace=EVERY_NAMESPACE, resources="true", **query
        )
        return found

    def _node_meta(self, node: Mapping[str, Any]) -> Mapping[str, str]:
        """The list of nodes leaves metadata out; it is asked once for each change of a node."""
        version = (node["ID"], node.get("ModifyIndex") or 0)
        if version not in self._meta:
            self._meta[version] = self._calls.json(self._nomad.node, _id(node["ID"])).get("Meta") or {}
        return self._meta[version]

    def _check_token(self) -> None:
        if self._calls.has_token:
            # Without access control Nomad answers 400 here, and then takes any token.
            with suppress(JobNotFound, JobRejected):
                self._calls.json(self._nomad.acl, "token", "self", refusal="No access control")

    # ── Nodes: told ──────────────────────────────────────────────────────────────────────────────

    def set_eligible(self, node_id: str, eligible: bool) -> None:
        body = {"Eligibility": "eligible" if eligible else "ineligible"}
        self._tell_node(node_id, "eligibility", body)

    def drain(self, node_id: str, lasts: timedelta) -> None:
        # System jobs are the operator's own (a proxy, a collector of figures): they stay.
        spec = {"Deadline": round(lasts.total_seconds()) * render.SECOND, "IgnoreSystemJobs": True}
        self._tell_node(node_id, "drain", {"DrainSpec": spec})

    def end_drain(self, node_id: str, *, eligible: bool) -> None:
        self._tell_node(node_id, "drain", {"DrainSpec": None, "MarkEligible": eligible})

    def _tell_node(self, node_id: str, what: str, body: Mapping[str, Any]) -> None:
        refusal = "The cluster refuses this for its node"
        self._calls.json(self._nomad.node, _id(node_id), what, method="post", body=body, refusal=refusal)

    # ── Jobs: told ───────────────────────────────────────────────────────────────────────────────

    def job_json(self, spec: JobSpec) -> dict[str, Any]:
        return render.job_json(spec, self.drivers)

    def submit(self, spec: JobSpec, secrets: Mapping[str, str]) -> int:
        try:
            return self._submit(spec, secrets)
        except JobRejected as error:
            if "nonexistent namespace" not in str(error):
                raise
            # It was there once: somebody deleted it, or the datacenter lost its memory. It is made again.
            self._namespaces.discard(spec.namespace)
            self.ensure_namespace(spec.namespace)
            return self._submit(spec, secrets)

    def _submit(self, spec: JobSpec, secrets: Mapping[str, str]) -> int:
        job, items = self.job_json(spec), render.variable_items(spec, secrets)
        refusal = "The datacenter refuses this job"
        if items:
            # Before the job, which would wait for it; the namespace of both is one value.
            path = render.variable_path(spec.id)
            body = {"Path": path, "Namespace": spec.namespace, "Items": items}
            self._calls.json(
                self._nomad.variable, path, method="put", body=body, namespace=spec.namespace, refusal=refusal
            )
        answer = self._calls.json(
            self._nomad.jobs, method="post", body={"Job": job}, namespace=spec.namespace, refusal=refusal
        )
        with _sense():
            return int(answer["JobModifyIndex"])

    def plan(self, spec: JobSpec) -> Forecast:
        job = self.job_json(spec)
        answer = self._calls.json(
            self._nomad.job,
            _id(spec.id),
            "plan",
            method="post",
            body={"Job": job, "Diff": False},
            namespace=spec.namespace,
            refusal="The datacenter refuses this job",
        )
        with _sense():
            failures = list((answer.get("FailedTGAllocs") or {}).values())
        return Forecast(True) if not failures else Forecast(False, self._why(ask_of(job), failures[0]))

    def stop(self, job_id: str, namespace: str) -> None:
        self._deregister(job_id, namespace, purge="false")

    def purge(self, job_id: str, namespace: str) -> None:
        self._deregister(job_id, namespace, purge="true")
        with suppress(JobNotFound):
            path = render.variable_path(_id(job_id))
            self._calls.json(self._nomad.variable, path, method="delete", namespace=namespace)

    def _deregister(self, job_id: str, namespace: str, purge: str) -> None:
        with suppress(JobNotFound):
            self._calls.json(self._nomad.job, _id(job_id), method="delete", namespace=namespace, purge=purge)

    def restart(self, allocation_id: str, namespace: str, task: str = "") -> None:
        self._calls.json(
            self._nomad.client.allocation,
            _id(allocation_id),
            "restart",
            method="post",
            body={"TaskName": task},
            namespace=namespace,
            timeout=RESTART_SECONDS,
            refusal="It cannot be restarted now",
        )

    # ── Jobs: seen ───────────────────────────────────────────────────────────────────────────────

    def state(self, job_id: str, namespace: str) -> JobState:
        with _sense():
            job = self._job(job_id, namespace)
            allocations = self._with_newest_whole(self._of_job(job_id, namespace, "allocations"), namespace)
            asks_why = needs_evaluations(job, allocations)
            evaluations = self._of_job(job_id, namespace, "evaluations") if asks_why else []
            return self._state(job, allocations, evaluations, lambda: job)

    def states(self, prefix: str) -> Sequence[JobState]:
        with _sense():
            jobs = self._calls.json(self._nomad.jobs, prefix=prefix, meta="true", namespace=EVERY_NAMESPACE)
            pattern = re.escape(prefix).replace("\\", "\\\\").replace('"', "")
            allocations = _by_job(self._allocations(filter=f'JobID matches "^{pattern}"'))
            evaluations: Mapping[_JobKey, list[Any]] = {}
            if any(needs_evaluations(job, allocations.get(_key(job), [])) for job in jobs):
                evaluations = _by_job(self._waiting_evaluations())
            return [
                self._state(
                    job,
                    allocations.get(_key(job), []),
                    evaluations.get(_key(job), []),
                    partial(self._job, job["ID"], job["Namespace"]),
                )
                for job in jobs
            ]

    def events(self, since: int) -> Iterator[JobEvent | None]:
        self._check_token()  # a stream with a wrong token is simply silent
        if self._asks:
            with _sense():
                yield from changes(self._newer_allocations, self._waiting_evaluations, since)
        query = {"topic": list(self._topics), "namespace": EVERY_NAMESPACE, "index": str(since + 1)}
        self._first_sign(query)
        with self._calls.stream(self._nomad.event.stream, silence=SIGN_SECONDS, **query) as pieces:
            yield from news(lines(pieces))
        raise Unreachable("The cluster ended its stream of events.")

    def log(self, allocation_id: str, namespace: str, task: str, stream: str, offset: int = 0) -> bytes:
        query = _log_query(namespace, task, stream, offset)
        try:
            return self._calls.content(self._nomad.client.stream_logs, _id(allocation_id), **query, plain="true")
        except JobNotFound as error:
            return _nothing_yet(error)

    def follow_log(
        self, allocation_id: str, namespace: str, task: str, stream: str, offset: int = 0
    ) -> Iterator[bytes]:
        """Ends at once if the task has not started."""
        query = _log_query(namespace, task, stream, offset) | {"follow": "true"}
        logs = self._nomad.client.stream_logs
        try:
            with self._calls.stream(logs, _id(allocation_id), silence=FOLLOW_SILENCE_SECONDS, **query) as pieces:
                for piece in followed(documents(pieces)):
                    # Nomad goes on with its signs of life long after the task's end.
                    if not piece and self._has_ended(allocation_id, namespace, task):
                        return
                    yield piece
        except JobNotFound as error:
            _nothing_yet(error)

    def usage(self, allocation_id: str, namespace: str) -> Usage | None:
        path = (_id(allocation_id), "stats")
        with suppress(JobNotFound), _sense():
            usage = usage_of(self._calls.json(self._nomad.client.allocation, *path, namespace=namespace) or {})
            return usage and sane(usage)
        return None

    def _state(
        self,
        job: Job,
        allocations: Sequence[Allocation],
        evaluations: Sequence[Evaluation],
        whole_job: Callable[[], Job],
    ) -> JobState:
        return sane(
            job_state(
                job,
                allocations,
                evaluations,
                why=lambda metrics: self._why(ask_of(whole_job()), metrics),
                datacenter_of=partial(self._datacenter_of, job),
            )
        )

    def _why(self, ask: Ask, metrics: Mapping[str, Any]) -> Reason:
        return why_not_placed(metrics, ask, self._facts())

    def _job(self, job_id: str, namespace: str) -> Mapping[str, Any]:
        job: Mapping[str, Any] = self._calls.json(self._nomad.job, _id(job_id), namespace=namespace)
        return job

    def _of_job(self, job_id: str, namespace: str, what: str) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = self._calls.json(self._nomad.job, _id(job_id), what, namespace=namespace)
        return found

    def _has_ended(self, allocation_id: str, namespace: str, task: str) -> bool:
        with _sense():
            allocation = self._calls.json(self._nomad.allocation, _id(allocation_id), namespace=namespace)
            state = (allocation.get("TaskStates") or {}).get(task) or {}
            return state.get("State") == "dead" or allocation.get("ClientStatus") in TERMINAL

    def _with_newest_whole(self, allocations: Sequence[Allocation], namespace: str) -> Sequence[Allocation]:
        """A job's list of allocations leaves out their ports and resources."""
        if not allocations:
            return allocations
        newest = max(allocations, key=lambda one: one["CreateIndex"])
        whole = self._calls.json(self._nomad.allocation, _id(newest["ID"]), namespace=namespace)
        return [one for one in allocations if one is not newest] + [whole]

    def _waiting_evaluations(self) -> list[Mapping[str, Any]]:
        waiting = " or ".join(f'Status == "{status}"' for status in sorted(WAITING))
        found: list[Mapping[str, Any]] = self._calls.json(
            self._nomad.evaluations, namespace=EVERY_NAMESPACE, filter=waiting
        )
        return found

    def _datacenter_of(self, job: Job, node_id: str) -> str | None:
        asked: Sequence[str] = job.get("Datacenters") or ()
        if len(asked) == 1 and "*" not in asked[0]:
            return str(asked[0])
        if node_id not in self._datacenters:
            self._datacenters |= {node["ID"]: node["Datacenter"] for node in self._calls.json(self._nomad.nodes)}
        return self._datacenters.get(node_id)

    def _first_sign(self, query: Mapping[str, Any]) -> None:
        """A stream that this token may not read answers 200 and then nothing, or ends at once."""
        with self._calls.stream(self._nomad.event.stream, silence=FIRST_SIGN_SECONDS, **query) as pieces:
            silence: Exception | None = None
            try:
                if next(pieces, b""):
                    return
            except Unreachable as error:
                silence = error
        # Perhaps it is only the nodes that this token may not see: next time without them. Else it is all namespaces,
        # which one stream takes together or not at all: from then on Serai asks for what changed.
        self._topics, self._asks = TOPICS, self._topics == TOPICS
        raise Unreachable(
            "The cluster tells this token no events: it may not read jobs in all namespaces, or nodes. "
            "Serai asks for what changed instead."
        ) from silence

    def _newer_allocations(self, index: int) -> tuple[list[Mapping[str, Any]], int]:
        ours = f'JobID matches "^{OURS}"'
        return self._calls.newer(
            self._nomad.allocations,
            index,
            wait=ASK_SECONDS,
            namespace=EVERY_NAMESPACE,
            filter=ours,
            task_states="false",
        )


_JobKey = tuple[str, str]


def _key(job: Mapping[str, Any]) -> _JobKey:
    return job["Namespace"], job["ID"]


def _by_job(things: Sequence[Mapping[str, Any]]) -> Mapping[_JobKey, list[Any]]:
    found = defaultdict(list)
    for thing in things:
        found[thing["Namespace"], thing["JobID"]].append(thing)
    return found


def _id(text: str) -> str:
    """python-nomad puts ids into the path as they are."""
    return quote(text, safe="")


def _log_query(namespace: str, task: str, stream: str, offset: int) -> dict[str, str]:
    return {"namespace": namespace, "task": task, "type": stream, "offset": str(offset), "origin": "start"}


def _nothing_yet(error: JobNotFound) -> bytes:
    """A task that has not started has no log; an allocation that is gone is another matter."""
    if re.search(r"unknown allocation|alloc not found", str(error), re.IGNORECASE):
        raise error
    return b""


@contextmanager
def _sense() -> Iterator[None]:
    """Answers that are JSON but not Nomad's are the cluster's fault, not ours."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError, RecursionError) as error:
        raise Unreachable("The cluster answered something that makes no sense.") from error


class _Recent:
    """What a call gave, if that was a short time ago; many blocked jobs are explained by the same nodes."""

    def __init__(self, call: Callable[[], Sequence[NodeFacts]], lasts_seconds: float) -> None:
        self._call, self._lasts, self._lock = call, lasts_seconds, threading.Lock()
        self._found: Sequence[NodeFacts] = ()
        self._until = 0.0

    def __call__(self) -> Sequence[NodeFacts]:
        with self._lock:
            if time.monotonic() >= self._until:
                self._found = self._call()
                self._until = time.monotonic() + self._lasts
            return self._found
