"""How it goes, and small files that are written whole."""

# ruff: noqa: T201
import json
import sys
import threading
from pathlib import Path
from typing import Any

from .plan import Place


class Status:
    """How it goes: in a file for ``wait``, and in the log for Serai."""

    def __init__(self, place: Place) -> None:
        self.file, self.lock, self.said = place.state / "status.json", threading.Lock(), ""
        self.values: dict[str, Any] = {"allocation": place.allocation, "problem": "", "storages": {}}
        self._write()  # over what an earlier life left

    def tell(self, target: str, **values: Any) -> None:
        with self.lock:
            self.values["storages"].setdefault(target, {"state": "", "pending": 0, "error": ""}).update(values)
            self._write()

    def fail(self, problem: str) -> None:
        with self.lock:
            self.values["problem"] = problem
            self._write()
            print(f"failed: {problem}", file=sys.stderr, flush=True)

    def _write(self) -> None:
        write_json(self.file, self.values)
        said = json.dumps(self.values["storages"], sort_keys=True)
        if said != self.said and self.values["storages"]:
            self.said = said
            print(f"status: {said}", flush=True)


def read_json(file: Path) -> dict[str, Any]:
    try:
        return parsed(file.read_text())
    except FileNotFoundError:
        return {}


def parsed(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def write_json(file: Path, content: Any) -> None:
    """All of it or nothing."""
    draft = file.with_name(f".{file.name}")
    draft.write_text(json.dumps(content))
    draft.rename(file)
