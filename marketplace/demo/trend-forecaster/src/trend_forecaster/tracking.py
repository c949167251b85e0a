"""Runs in MLflow that never hold up or fail a training.

A training writes what it has to say into a journal on its storage, one JSON object a line. A thread of its own sends
the journal to MLflow, which is imported only there. While the server is down the journal stays; the next training, or
the next service that starts, sends it. Without ``MLFLOW_TRACKING_URI`` nothing is kept but the lines of the log.
"""

import fcntl
import hashlib
import importlib
import json
import math
import os
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

from . import storage
from .about import DISTRIBUTION

Entry = dict[str, Any]

PATIENCE = 30.0  # seconds that the end of a training waits at most for what is still to be sent
RETRY_AFTER = 20.0  # seconds between attempts while the server does not answer
LEFT_OVERS_AT_ONCE = 20
BATCH = 500  # metrics in one request; MLflow takes up to 1,000
TAGS = {
    "serai.deployment": "SERAI_DEPLOYMENT_ID",
    "serai.project": "SERAI_PROJECT",
    "serai.module": "SERAI_MODULE",
    "serai.datacenter": "NOMAD_DC",
}
SOURCE_TAG = "mlflow.source.name"  # MLflow's own, of data that a program makes
# MLflow's own defaults wait four minutes for a server that is down.
GENTLE = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


def data(name: str, source: str, content: bytes = b"") -> Entry:
    """What a training learns from, as MLflow shows it; the same content has the same digest."""
    return {"name": name, "source": source, "digest": hashlib.sha256(content or source.encode()).hexdigest()[:12]}


@contextmanager
def run(name: str, parameters: Mapping[str, Any], data: Sequence[Entry] = ()) -> Iterator["Run"]:
    """``with run("first", {"epochs": 3}) as this: this.log(1, {"loss": 0.5})``"""
    this = Run(name, parameters, data)
    try:
        yield this
    except Exception:
        this.close("FAILED")
        raise
    except BaseException:  # SIGINT: somebody stopped it and will not wait long
        this.close("KILLED", patience=3)
        raise
    this.close("FINISHED")


class Run:
    """One training as MLflow will show it."""

    def __init__(self, name: str, parameters: Mapping[str, Any], data: Sequence[Entry] = ()) -> None:
        tags = own_tags()
        begin = {
            "name": name,
            "tags": tags,
            "parameters": dict(parameters),
            "data": [*data, *fetched(tags)],
            "time": _now(),
        }
        self._sender = start_sender(begin) if os.environ.get("MLFLOW_TRACKING_URI") else None

    @property
    def id(self) -> str | None:
        """MLflow's name for it, known once the server answered."""
        return self._sender.journal.run_id if self._sender else None

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Keep the metrics of one step (epoch), and say them in the log."""
        print(f"step {step}: " + "  ".join(f"{key} {value:.6g}" for key, value in metrics.items()), flush=True)
        finite = {key: float(value) for key, value in metrics.items() if math.isfinite(value)}
        self._add({"metrics": finite, "step": step, "time": _now()})

    def close(self, status: str, patience: float = PATIENCE) -> None:
        self._add({"end": status, "time": _now()})
        if self._sender:
            self._sender.close(patience)

    def _add(self, entry: Entry) -> None:
        if self._sender:
            self._sender.journal.add(entry)
            self._sender.wake.set()


def own_tags() -> dict[str, str]:
    """What Serai tells a task of itself, and which version of the module this is."""
    found = {tag: os.environ[variable] for tag, variable in TAGS.items() if os.environ.get(variable)}
    try:
        told = json.loads(os.environ.get("MLFLOW_RUN_CONTEXT") or "{}")
    except ValueError:
        told = {}
    return {**version(), **told, **found}


def version() -> dict[str, str]:
    try:
        return {"serai.version": metadata.version(DISTRIBUTION)}
    except metadata.PackageNotFoundError:  # tried in its folder, not installed
        return {}


def fetched(tags: Mapping[str, str]) -> list[Entry]:
    """The data that Serai fetched for this training."""
    return [data(source.rstrip("/").rpartition("/")[2], source) for source in tags.get("serai.datasets", "").split()]


class Journal:
    """What one training said. Locked while somebody writes or sends it; a lock that is free marks a left-over."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: list[Entry] = []
        self.run_id: str | None = None
        self.sent = 0
        self._lock = threading.Lock()
        self._file = path.open("a+")
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._file.seek(0)
        for line in self._file:
            if line.endswith("\n"):  # the last line of a full disk may be cut
                self._take(json.loads(line))

    def add(self, entry: Entry) -> None:
        with self._lock:
            self._take(entry)
            try:
                self._file.write(json.dumps(entry) + "\n")
                self._file.flush()
            except OSError as error:
                print(f"The journal of this training cannot be written ({error}).", flush=True)

    @property
    def delivered(self) -> bool:
        return self.sent == len(self.entries)

    def close(self) -> None:
        if self.delivered:
            self.path.unlink(missing_ok=True)
        self._file.close()

    def refuse(self) -> None:
        """MLflow does not want it: out of the way of the others, and kept for whoever looks."""
        self.path.rename(self.path.with_suffix(".refused"))

    def _take(self, entry: Entry) -> None:
        if "run_id" in entry:
            self.run_id = entry["run_id"]
        elif "sent" in entry:
            self.sent = entry["sent"]
        else:
            self.entries.append(entry)


class Sender(threading.Thread):
    """Sends one journal while it is written, then what earlier trainings left."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(name="tracking", daemon=True)
        self.journal = journal
        self.wake, self._closing = threading.Event(), threading.Event()
        self.start()

    def close(self, patience: float) -> None:
        self._closing.set()
        self.wake.set()
        self.join(patience)
        if not self.journal.delivered:
            print(f"Kept in {self.journal.path}; it is sent to MLflow later.", flush=True)

    def run(self) -> None:
        while True:
            last = self._closing.is_set()
            arrived = deliver(self.journal)
            if last:
                break
            if not arrived:
                self._closing.wait(RETRY_AFTER)
            self.wake.wait()
            self.wake.clear()
        if arrived:
            deliver_left_overs(self.journal.path.parent)
        self.journal.close()


def start_sender(begin: Entry) -> Sender | None:
    try:
        return Sender(new_journal(begin))
    except OSError as error:
        print(f"This training is not tracked: {error}.", flush=True)
        return None


def new_journal(begin: Entry) -> Journal:
    path = storage.folder("tracking") / f"{time.strftime('%Y%m%dT%H%M%S')}-{uuid.uuid4().hex[:8]}.jsonl"
    journal = Journal(path)
    path.chmod(0o660)
    journal.add(begin)
    return journal


def send_left_overs() -> None:
    """For a service that starts: what trainings could not say while MLflow was away. It holds nothing up."""
    folder = storage.place("tracking")
    if os.environ.get("MLFLOW_TRACKING_URI") and any(folder.glob("*.jsonl")):
        threading.Thread(target=deliver_left_overs, args=(folder,), name="tracking", daemon=True).start()


def deliver_left_overs(folder: Path) -> None:
    for path in sorted(folder.glob("*.jsonl"))[:LEFT_OVERS_AT_ONCE]:
        try:
            journal = Journal(path)
        except (OSError, ValueError):
            continue  # a training that runs now has it, or another sends it already
        if not journal.entries:
            journal.close()
            continue
        if "end" not in journal.entries[-1]:
            journal.add({"end": "KILLED", "time": journal.entries[-1]["time"]})
        arrived = deliver(journal)
        journal.close()
        if not arrived:
            return


def deliver(journal: Journal) -> bool:
    """Whether MLflow has now all that the journal says."""
    os.environ.update({name: value for name, value in GENTLE.items() if name not in os.environ})
    # Here and not above: it takes two seconds of processor time, which only trainings should pay.
    mlflow = importlib.import_module("mlflow")
    try:
        send(mlflow, journal)
    except (mlflow.exceptions.MlflowException, OSError) as error:
        print(f"MLflow does not take this run yet: {' '.join(str(error).split())[:300]}", flush=True)
        if getattr(error, "get_http_status_code", lambda: 0)() in (400, 404, 409, 422):
            journal.refuse()
        return False
    return True


def send(mlflow: Any, journal: Journal) -> None:
    client = mlflow.MlflowClient()
    if journal.run_id is None:
        journal.add({"run_id": create_run(mlflow, client, journal.entries[0])})
    until = len(journal.entries)
    new = journal.entries[max(journal.sent, 1) : until]
    metrics = [
        mlflow.entities.Metric(key, value, entry["time"], entry["step"])
        for entry in new
        for key, value in entry.get("metrics", {}).items()
    ]
    for start in range(0, len(metrics), BATCH):
        client.log_batch(journal.run_id, metrics=metrics[start : start + BATCH])
    for entry in new:
        if "end" in entry:
            client.set_terminated(journal.run_id, entry["end"], entry["time"])
    journal.add({"sent": until})


def create_run(mlflow: Any, client: Any, begin: Entry) -> str:
    created = client.create_run(
        experiment_id(client), start_time=begin["time"], tags=begin["tags"], run_name=begin["name"]
    )
    run_id: str = created.info.run_id
    client.log_batch(
        run_id, params=[mlflow.entities.Param(key, str(value)) for key, value in begin["parameters"].items()]
    )
    inputs = [learned_from(mlflow, one) for one in begin.get("data", [])]
    if inputs:
        client.log_inputs(run_id, inputs)
    return run_id


def learned_from(mlflow: Any, one: Entry) -> Any:
    is_address = "://" in one["source"]
    kind, source = ("http", {"url": one["source"]}) if is_address else ("code", {"tags": {SOURCE_TAG: one["source"]}})
    dataset = mlflow.entities.Dataset(one["name"], one["digest"], kind, json.dumps(source))
    context = mlflow.entities.InputTag("mlflow.data.context", "training")
    return mlflow.entities.DatasetInput(dataset, [context])


def experiment_id(client: Any) -> str:
    if known := os.environ.get("MLFLOW_EXPERIMENT_ID"):
        return known
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or DISTRIBUTION
    found = client.get_experiment_by_name(name)
    identity: str = found.experiment_id if found else client.create_experiment(name)
    return identity


def _now() -> int:
    return int(time.time() * 1000)
