"""Verbs and job parts for the contract tests: what a client of Nomad's HTTP API does, without our adapter."""

import time
from collections.abc import Callable
from typing import Any

import httpx

from tests.agents import Agent

Document = dict[str, Any]
SECOND = 1_000_000_000
WITHIN = 30  # seconds; a real client sends its updates in batches
TERMINAL = ("complete", "failed", "lost")


def shell(script: str, name: str = "main", **members: Any) -> Document:
    """A task that runs a shell script."""
    return {
        "Name": name,
        "Driver": "raw_exec",
        "Config": {"command": "/bin/sh", "args": ["-c", script]},
        "Resources": {"CPU": 20, "MemoryMB": 64},
        "LogConfig": {"MaxFiles": 2, "MaxFileSizeMB": 1},
        **members,
    }


def hook(name: str, *, sidecar: bool = False) -> Document:
    return {"Hook": name, "Sidecar": sidecar}


def restarts(attempts: int, *, delay: int = 1) -> Document:
    return {"Attempts": attempts, "Delay": delay * SECOND, "Interval": 60 * SECOND, "Mode": "fail"}


NO_RESCHEDULING = {"Attempts": 0, "Unlimited": False, "Interval": 3600 * SECOND, "Delay": 30 * SECOND}


def job(job_id: str, *tasks: Document, kind: str = "batch", group: Document | None = None, **members: Any) -> Document:
    """A job of one group, in the shape that Serai renders."""
    whole: Document = {
        "Name": "serai",
        "RestartPolicy": restarts(0),
        "ReschedulePolicy": {**NO_RESCHEDULING, "DelayFunction": "constant"},
        "EphemeralDisk": {"SizeMB": 100},
        "Tasks": list(tasks),
        **({"Update": {"MaxParallel": 0}} if kind == "service" else {}),
        **(group or {}),
    }
    return {"ID": job_id, "Name": job_id, "Type": kind, "Datacenters": ["local"], "TaskGroups": [whole], **members}


class Cluster:
    def __init__(self, agent: Agent, http: httpx.Client) -> None:
        self.agent, self.http = agent, http
        self.registered: list[str] = []

    def get(self, path: str, **query: Any) -> Any:
        response = self.http.get(path, params=query)
        assert response.status_code == 200, f"GET {path}: {response.status_code} {response.text}"
        return response.json()

    def register(self, job: Document) -> Document:
        response = self.http.post("jobs", json={"Job": job})
        assert response.status_code == 200, response.text
        self.registered.append(job["ID"])
        return dict(response.json())

    def refusal(self, job: Document) -> str:
        response = self.http.post("jobs", json={"Job": job})
        assert response.status_code == 500, f"{response.status_code} {response.text}"
        return response.text

    def stop(self, job_id: str, *, purge: bool = False) -> None:
        assert self.http.delete(f"job/{job_id}", params={"purge": str(purge).lower()}).status_code == 200

    def purge_all(self) -> None:
        for job_id in self.registered:
            self.stop(job_id, purge=True)

    def allocations(self, job_id: str) -> list[Document]:
        """Newest first."""
        return sorted(self.get(f"job/{job_id}/allocations"), key=lambda one: -one["CreateIndex"])

    def allocation(self, job_id: str, until: Callable[[Document], object]) -> Document:
        """The job's newest allocation, whole, once it is as wanted."""
        deadline = time.monotonic() + WITHIN
        found: list[Document] = []
        while time.monotonic() < deadline:
            found = self.allocations(job_id)
            if found and until(found[0]):
                return dict(self.get(f"allocation/{found[0]['ID']}"))
            time.sleep(0.05)
        raise AssertionError(f"{job_id} never became as wanted: {found[:1]} {self.evaluations(job_id)[:1]}")

    def ended(self, job_id: str) -> Document:
        return self.allocation(job_id, over)

    def running(self, job_id: str, task: str = "main") -> Document:
        return self.allocation(job_id, lambda one: state(one, task) == "running")

    def evaluations(self, job_id: str) -> list[Document]:
        return list(self.get(f"job/{job_id}/evaluations"))

    def blocked(self, job_id: str) -> Document:
        """Why the job waits: the counters of its blocked evaluation."""
        deadline = time.monotonic() + WITHIN
        while time.monotonic() < deadline:
            for evaluation in self.evaluations(job_id):
                if evaluation["Status"] == "blocked":
                    return dict(evaluation["FailedTGAllocs"]["serai"])
            time.sleep(0.05)
        raise AssertionError(f"{job_id} is not blocked: {self.evaluations(job_id)}")

    def plan(self, job: Document) -> Document:
        response = self.http.post(f"job/{job['ID']}/plan", json={"Job": job, "Diff": False})
        assert response.status_code == 200, response.text
        return dict(response.json())

    def log(self, allocation: Document, task: str = "main", stream: str = "stdout", **query: Any) -> str:
        query = {"task": task, "type": stream, "plain": "true", **query}
        response = self.http.get(f"client/fs/logs/{allocation['ID']}", params=query)
        assert response.status_code == 200, response.text
        return response.text

    def log_with(self, text: str, allocation: Document, task: str = "main") -> str:
        """The log, once it holds this text."""
        deadline = time.monotonic() + WITHIN
        while time.monotonic() < deadline:
            if text in (found := self.log(allocation, task)):
                return found
            time.sleep(0.05)
        raise AssertionError(f"{text!r} never came in the log: {found!r}")

    def restart(self, allocation: Document, task: str = "") -> httpx.Response:
        return self.http.put(f"client/allocation/{allocation['ID']}/restart", json={"TaskName": task})

    def save_variable(self, job_id: str, **items: str) -> None:
        path = f"nomad/jobs/{job_id}"
        assert self.http.put(f"var/{path}", json={"Path": path, "Items": items}).status_code == 200


def over(allocation: Document) -> bool:
    """All its tasks are dead, and it says so."""
    tasks = (allocation["TaskStates"] or {}).values()
    return allocation["ClientStatus"] in TERMINAL and all(task["State"] == "dead" for task in tasks)


def state(allocation: Document, task: str = "main") -> str:
    return str(((allocation["TaskStates"] or {}).get(task) or {}).get("State", ""))


def events(allocation: Document, task: str = "main") -> list[str]:
    """The types of what happened to a task, in order."""
    task_state = (allocation["TaskStates"] or {}).get(task) or {}
    return [event["Type"] for event in task_state.get("Events") or []]


def event(allocation: Document, kind: str, task: str = "main") -> Document:
    """The last event of a type."""
    found = [event for event in allocation["TaskStates"][task]["Events"] if event["Type"] == kind]
    assert found, f"no {kind} in {events(allocation, task)}"
    return dict(found[-1])


def started(allocation: Document, task: str) -> str:
    return str(allocation["TaskStates"][task]["StartedAt"])


def finished(allocation: Document, task: str) -> str:
    return str(allocation["TaskStates"][task]["FinishedAt"])
