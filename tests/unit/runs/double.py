"""A stand-in for MLflow's server at its border: answers of the shapes that a real one (3.17) gave, each account its own.

It knows no filters (tests over a real server do, see test_with_mlflow.py) and notes what it was asked.
"""

import base64
import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Double:
    """What it holds, by the name of the account that may see it."""

    runs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    histories: dict[tuple[str, str], list[tuple[int, str]]] = field(default_factory=dict)
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    filters: list[str] = field(default_factory=list)
    written: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)  # (account, call, body)
    delay_seconds: float = 0
    refuses_filter: str = ""

    def answer(self, who: str, path: str, given: dict[str, Any]) -> tuple[int, Any]:
        name = path.partition("mlflow/")[2] or path.strip("/")
        self.asked[name] += 1
        time.sleep(self.delay_seconds)
        known = {
            "experiments/search": self._experiments,
            "runs/search": self._search,
            "metrics/get-history-bulk-interval": self._history,
            "artifacts/list": self._list,
            "get-artifact": self._file,
            "health": lambda *_: (200, b"OK"),
        }
        return known[name](who, given) if name in known else self._write(who, name, given)

    def _write(self, who: str, name: str, given: dict[str, Any]) -> tuple[int, Any]:
        self.written.append((who, name, given))
        return 200, {"run": {"info": {"run_id": f"made{len(self.written)}"}}} if name == "runs/create" else {}

    def _experiments(self, who: str, _given: dict[str, Any]) -> tuple[int, Any]:
        return 200, {"experiments": [{"experiment_id": f"of-{who}", "name": who, "lifecycle_stage": "active"}]}

    def _search(self, who: str, given: dict[str, Any]) -> tuple[int, Any]:
        self.filters.append(given.get("filter", ""))
        if self.refuses_filter:
            return 400, {"error_code": "INVALID_PARAMETER_VALUE", "message": self.refuses_filter}
        mine = self.runs.get(who, []) if f"of-{who}" in given["experiment_ids"] else []
        words = given.get("filter", "")
        if "run_id IN" in words:
            mine = [run for run in mine if f"'{run['info']['run_id']}'" in words]
        return 200, {"runs": mine[: given["max_results"]]}

    def _history(self, who: str, given: dict[str, Any]) -> tuple[int, Any]:
        key = given["metric_key"][0]
        points = [
            {"key": key, "value": value, "timestamp": 1000 + step, "step": step, "run_id": run}
            for run in given["run_ids"]
            for step, value in self.histories.get((run, key), [])
        ]
        return 200, {"metrics": points}

    def _list(self, who: str, given: dict[str, Any]) -> tuple[int, Any]:
        inside = self.files.get(given["run_id"][0], {})
        prefix = given["path"][0] + "/" if "path" in given else ""
        below = [path for path in inside if path.startswith(prefix)]
        folders = {prefix + path[len(prefix) :].split("/")[0] for path in below if "/" in path[len(prefix) :]}
        files = [{"path": path, "is_dir": False, "file_size": len(inside[path])} for path in below
                 if "/" not in path[len(prefix) :]]  # fmt: skip
        return 200, {
            "root_uri": "mlflow-artifacts:/1/x",
            "files": [*({"path": f, "is_dir": True} for f in folders), *files],
        }

    def _file(self, who: str, given: dict[str, Any]) -> tuple[int, Any]:
        content = self.files.get(given["run_id"][0], {}).get(given["path"][0])
        return (200, content) if content is not None else (404, {"error_code": "RESOURCE_DOES_NOT_EXIST"})


def run(
    run_id: str, *, name: str = "training", status: str = "FINISHED", started: int = 1_000_000, **more: Any
) -> dict[str, Any]:
    """A run as MLflow writes one: ``params``, ``metrics`` and ``tags`` by name."""
    data = {
        group: [{"key": key, "value": value, **({"step": "0", "timestamp": started} if group == "metrics" else {})}
                for key, value in more.get(group, {}).items()]
        for group in ("metrics", "params", "tags")
    }  # fmt: skip
    inputs = {"dataset_inputs": [{"tags": [], "dataset": one} for one in more.get("datasets", [])]}
    info = {
        "run_id": run_id, "run_uuid": run_id, "run_name": name, "experiment_id": "1", "status": status,
        "start_time": started, "artifact_uri": f"mlflow-artifacts:/1/{run_id}/artifacts", "lifecycle_stage": "active",
    }  # fmt: skip
    return {
        "info": info if status == "RUNNING" else {**info, "end_time": started + 4_000},
        "data": data,
        "inputs": inputs,
    }


class Serving:
    """The stand-in behind an address on loopback."""

    def __init__(self, double: Double) -> None:
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(double))
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def _handler(double: Double) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(parse_qs(urlsplit(self.path).query))

        def do_POST(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _answer(self, given: dict[str, Any]) -> None:
            status, body = double.answer(self._who(), urlsplit(self.path).path, given)
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header(
                "Content-Type", "application/octet-stream" if isinstance(body, bytes) else "application/json"
            )
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _who(self) -> str:
            basic = self.headers.get("Authorization", "").removeprefix("Basic ")
            return base64.b64decode(basic).decode().partition(":")[0]

        def log_message(self, *_: object) -> None:
            pass

    return Handler
