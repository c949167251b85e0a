"""All the agent knows: Nomad's documents in memory, each change written to one SQLite file before it is told.

One index grows with every commit and over restarts. A commit is one transaction: after a kill -9 either all of
it is there, or nothing.
"""

import asyncio
import json
import logging
import sqlite3
import time
import uuid
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Document = dict[str, Any]
JobKey = tuple[str, str]  # namespace, id

log = logging.getLogger("serai.local")

Row = tuple[str, str, Document | None]  # kind, key, body (None: forget it)
WRITE = "INSERT OR REPLACE INTO documents VALUES (?, ?, ?)"
FORGET = "DELETE FROM documents WHERE kind = ? AND key = ?"
EVENTS_KEPT = 100
KINDS = ("Namespace", "Job", "Evaluation", "Allocation", "Variable", "Node", "Run", "Fact")
TOLD = ("Job", "Evaluation", "Allocation", "Node")


@dataclass(frozen=True)
class EventPart:
    """One document's change, already JSON; the rest is to choose by."""

    topic: str
    keys: tuple[str, ...]
    namespace: str
    body: bytes


@dataclass(frozen=True)
class Event:
    """One commit as the event stream tells it."""

    index: int
    parts: tuple[EventPart, ...]


@dataclass(frozen=True)
class Change:
    """One document written (or forgotten, when ``gone``), and what the event stream calls it."""

    kind: str
    document: Document
    type: str = ""
    gone: bool = False

    @property
    def key(self) -> str:
        return document_key(self.kind, self.document)


@dataclass
class Run:
    """What only the agent knows of an allocation: where its tasks are, beyond what Nomad tells."""

    id: str
    job: Document  # as it was when placed
    uid: int | None = None
    gid: int | None = None
    purge: bool = False
    tasks: dict[str, Document] = field(default_factory=dict)


def document_key(kind: str, document: Document) -> str:
    match kind:
        case "Job":
            return json.dumps([document["Namespace"], document["ID"]])
        case "Variable":
            return json.dumps([document["Namespace"], document["Path"]])
        case "Namespace":
            return str(document["Name"])
        case "Run":
            return str(document["id"])
    return str(document["ID"])


def new_id() -> str:
    return str(uuid.uuid4())


class State:
    def __init__(self, file: Path) -> None:
        self.database = sqlite3.connect(file, isolation_level=None)
        file.chmod(0o600)
        self.database.executescript(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
            "CREATE TABLE IF NOT EXISTS documents"
            " (kind TEXT, key TEXT, body TEXT, PRIMARY KEY (kind, key)) WITHOUT ROWID;"
        )
        self.unsaved: dict[tuple[str, str], str | None] = {}
        self.documents: dict[str, dict[str, Document]] = {kind: {} for kind in KINDS}
        for kind, key, body in self.database.execute("SELECT kind, key, body FROM documents"):
            self.documents[kind][key] = json.loads(body)
        self.runs = {key: Run(**body) for key, body in self.documents.pop("Run").items()}
        self.index = int(self.fact("index").get("value", 0))
        self.events: deque[Event] = deque(maxlen=EVENTS_KEPT)
        self._changed = asyncio.Event()

    # -- reading

    def job(self, key: JobKey) -> Document | None:
        return self.documents["Job"].get(json.dumps(key))

    def variable(self, namespace: str, path: str) -> Document | None:
        return self.documents["Variable"].get(json.dumps([namespace, path]))

    def jobs(self) -> list[Document]:
        return sorted(self.documents["Job"].values(), key=lambda job: (job["Namespace"], job["ID"]))

    def allocations(self, key: JobKey | None = None) -> list[Document]:
        """Newest first, of one job or of all."""
        return _newest(self.documents["Allocation"].values(), key)

    def evaluations(self, key: JobKey | None = None) -> list[Document]:
        return _newest(self.documents["Evaluation"].values(), key)

    def fact(self, name: str) -> Document:
        """A small thing to remember that is no document of Nomad's (index, node id, users)."""
        return self.documents["Fact"].get(name, {"ID": name})

    # -- writing

    def commit(self, *changes: Change, runs: Iterable[Run] = ()) -> int:
        """Write changes as one, under the next index, and tell who listens."""
        self.index += 1
        for change in changes:
            self._take(change)
        self._write(
            *((change.kind, change.key, None if change.gone else change.document) for change in changes),
            *(("Run", run.id, vars(run)) for run in runs),
            ("Fact", "index", {"ID": "index", "value": self.index}),
        )
        self._tell(changes)
        return self.index

    def _take(self, change: Change) -> None:
        documents, document = self.documents[change.kind], change.document
        if change.gone:
            documents.pop(change.key, None)
            return
        document.setdefault("CreateIndex", self.index)
        document["ModifyIndex"] = self.index
        if change.kind in ("Evaluation", "Allocation"):
            document["ModifyTime"] = time.time_ns()
        documents[change.key] = document

    def save(self, run: Run) -> None:
        """Write down where an allocation's tasks are, without a word to anyone."""
        self.runs[run.id] = run
        self._write(("Run", run.id, vars(run)))

    def forget_run(self, run: Run) -> None:
        self.runs.pop(run.id, None)
        self._write(("Run", run.id, None))

    def remember(self, name: str, **values: Any) -> None:
        fact = {**self.fact(name), **values}
        self.documents["Fact"][name] = fact
        self._write(("Fact", name, fact))

    def _write(self, *rows: Row) -> None:
        """One transaction. On a full disk the rows wait for the next one, so that what runs is not lost from sight."""
        self.unsaved |= {(kind, key): json.dumps(body) if body is not None else None for kind, key, body in rows}
        try:
            self.database.execute("BEGIN IMMEDIATE")
            for (kind, key), body in self.unsaved.items():
                self.database.execute(FORGET if body is None else WRITE, (kind, key, *([] if body is None else [body])))
            self.database.execute("COMMIT")
        except sqlite3.OperationalError as error:
            log.error("The state could not be written: %s", error)
            if self.database.in_transaction:
                self.database.execute("ROLLBACK")
        else:
            self.unsaved.clear()

    # -- telling

    def _tell(self, changes: Iterable[Change]) -> None:
        parts = tuple(self._part(change) for change in changes if change.kind in TOLD and change.type)
        if parts:
            self.events.append(Event(self.index, parts))
        self._changed.set()
        self._changed = asyncio.Event()

    def _part(self, change: Change) -> EventPart:
        document = change.document
        filters = (document["JobID"],) if "JobID" in document else ()
        event = {
            "FilterKeys": [*filters, ""] if filters else None,
            "Index": self.index,
            "Key": document["ID"],
            "Namespace": document.get("Namespace", ""),
            "Payload": {change.kind: document},
            "Topic": change.kind,
            "Type": change.type,
        }
        body = json.dumps(event).encode()
        return EventPart(change.kind, (document["ID"], *filters), document.get("Namespace", ""), body)

    async def changed(self, index: int, seconds: float) -> None:
        """Wait until the index has passed this one, at most so long."""
        deadline = asyncio.get_running_loop().time() + seconds
        while self.index <= index:
            rest = deadline - asyncio.get_running_loop().time()
            try:
                await asyncio.wait_for(self._changed.wait(), rest)
            except TimeoutError:
                return


def _newest(documents: Iterable[Document], key: JobKey | None) -> list[Document]:
    found = [d for d in documents if key is None or (d["Namespace"], d["JobID"]) == key]
    return sorted(found, key=lambda document: (document["CreateIndex"], document["ID"]), reverse=True)
