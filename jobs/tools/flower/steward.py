"""Looks after one federation: lets in the clients that Serai names, starts the run, and tells how it goes.

It asks Serai every few seconds. While Serai does not answer, everything goes on as it was last told.
"""

import hashlib
import json
import os
import sys
import time
import tomllib
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
    load_ssh_public_key,
)
from flwr.cli.build import build_fab_from_disk
from flwr.common.serde import fab_to_proto, user_config_to_proto
from flwr.proto.control_pb2 import (
    ListNodesRequest,
    ListRunsRequest,
    RegisterNodeRequest,
    StartRunRequest,
    UnregisterNodeRequest,
)
from flwr.supercore.control import ControlHttpClient
from flwr.supercore.fab import Fab
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor
from flwr.supercore.primitives.asymmetric import public_key_to_bytes

from mlflow_log import MlflowLog

PERIOD_SECONDS = 2.0
OWN_APP = "app"  # an option: the folder of somebody's own app on the project's storage
GONE = "unregistered"

Report = dict[str, Any]


class Steward:
    def __init__(self, address: str, authority: bytes, folder: Path) -> None:
        interceptors = [RuntimeVersionHttpInterceptor(component_name="flwr CLI")]
        self.control = ControlHttpClient.from_server_address(address, False, authority, interceptors)
        self.folder = folder
        self.told = Path(os.environ["SERAI_FEDERATION_REPORT"])
        self.wanted: list[dict[str, str]] | None = None  # None: Serai has not answered yet
        self.run_id = 0
        self.report: Report = {"phase": "waiting", "rounds": [], "nodes": [], "problem": ""}
        self.log = MlflowLog.from_environment()

    def serve(self, is_up: Callable[[], bool]) -> None:
        while not is_up():
            time.sleep(0.1)
        say("The server is ready for its clients.")
        while True:
            try:
                self.turn()
            except Exception:  # noqa: BLE001 one bad turn must not end the federation: the next one tries again
                traceback.print_exc()
            time.sleep(PERIOD_SECONDS)

    def turn(self) -> None:
        nodes = self._nodes()
        self.report["nodes"] = [node for node in nodes.values() if node["status"] != GONE]
        self._look_at_the_run()
        self.log.send(self.report, Path(os.environ["SERAI_FEDERATION_MODEL"]))
        self.report["run"] = self.log.run_id
        self._exchange()
        if self.wanted is not None:
            self._let_in(nodes)
        online = sum(node["status"] == "online" for node in nodes.values())
        if not self.run_id and not self.report["problem"] and online >= int(os.environ["OPTION_START_CLIENTS"]):
            self._start_run()

    # ── Clients ──────────────────────────────────────────────────────────────────────────────────
    def _nodes(self) -> dict[str, dict[str, str]]:
        """By public key; of a key that was registered twice the later node."""
        listed = self.control.ListNodes(ListNodesRequest()).nodes_info
        return {
            (key := one_line(load_pem_public_key(node.public_key))): {
                "key": key,
                "id": str(node.node_id),
                "status": node.status,
            }
            for node in sorted(listed, key=lambda node: node.registered_at)
        }

    def _let_in(self, nodes: Mapping[str, Mapping[str, str]]) -> None:
        """Register the keys that are new, and unregister those that are no longer wanted."""
        assert self.wanted is not None
        keys = {one_line(key): (key, client) for client in self.wanted if (key := key_of(client))}
        for wanted, (key, client) in keys.items():
            if wanted not in nodes:
                request = RegisterNodeRequest(public_key=public_key_to_bytes(key), name=client["name"])
                self.control.RegisterNode(request)
                say(f"Client “{client['name']}” may take part.")
        for known, node in nodes.items():
            if known not in keys and node["status"] != GONE:
                self.control.UnregisterNode(UnregisterNodeRequest(node_id=int(node["id"])))
                say(f"Node {node['id']} may no longer take part.")

    # ── The run ──────────────────────────────────────────────────────────────────────────────────
    def _start_run(self) -> None:
        app = self._app()
        if app is None:
            return
        try:
            content = build_fab_from_disk(app)
        except Exception as error:  # noqa: BLE001 whatever is wrong with somebody's app is theirs to read
            self._fail(f"The app cannot be packed: {error}")
            return
        fab = Fab(hashlib.sha256(content).hexdigest(), content, {})
        config = user_config_to_proto(configuration(app))
        try:
            answer = self.control.StartRun(StartRunRequest(fab=fab_to_proto(fab), override_config=config))
        except httpx.HTTPStatusError as error:
            self._fail(f"Flower does not take the app: {error.response.text[:300]}")
            return
        self.run_id = int(answer.run_id)
        self.report["phase"] = "running"
        say(f"Run {self.run_id} begins.")

    def _app(self) -> Path | None:
        """The example that comes with Serai, or a folder of somebody's own, kept inside the storage."""
        storage, name = Path(os.environ["SERAI_STORAGE_DIR"]).resolve(), os.environ.get("OPTION_APP", "").strip("/")
        if not name:
            return Path(os.environ["NOMAD_TASK_DIR"]) / "app"
        app = (storage / name).resolve()
        if storage in app.parents and (app / "pyproject.toml").is_file():
            return app
        self._fail(f"There is no app of Flower in the folder “{name}” of the storage: a pyproject.toml is missing.")
        return None

    def _fail(self, sentence: str) -> None:
        self.report |= {"phase": "failed", "problem": sentence}
        say(sentence)

    def _look_at_the_run(self) -> None:
        lines = [json.loads(line) for line in self.told.read_text().splitlines()] if self.told.exists() else []
        self.report["rounds"] = [line for line in lines if "round" in line]
        self.report["now"] = lines[-1] if lines and "round" not in lines[-1] else None
        if not self.run_id or self.report["phase"] != "running":
            return
        status = self.control.ListRuns(ListRunsRequest(run_id=self.run_id)).run_dict[self.run_id].status
        if status.status == "finished":
            self.report["phase"] = "finished" if status.sub_status == "completed" else "failed"
            self.report["problem"] = "" if self.report["phase"] == "finished" else status.details or status.sub_status
            say(f"The run ended: {status.sub_status}. {status.details}")

    # ── Serai ────────────────────────────────────────────────────────────────────────────────────
    def _exchange(self) -> None:
        token = os.environ["REPORT_TOKEN"]
        try:
            answer = httpx.post(
                os.environ["SERAI_REPORT_URL"],
                json=self.report,
                headers={"Authorization": f"Bearer {token}"},
                timeout=5,
                trust_env=False,
            )
            answer.raise_for_status()
            self.wanted = answer.json()["clients"]
        except (httpx.HTTPError, ValueError, KeyError) as error:
            say(f"Serai does not answer, it is asked again: {error}")


def configuration(app: Path) -> dict[str, Any]:
    """The form's values under the names that the app itself declares, each of the type of its default."""
    declared = tomllib.loads((app / "pyproject.toml").read_text())["tool"]["flwr"]["app"].get("config", {})
    given = {name: os.environ.get("OPTION_" + name.replace("-", "_").upper()) for name in declared}
    return {name: typed(text, declared[name]) for name, text in given.items() if text is not None}


def typed(text: str, default: Any) -> Any:
    return text == "true" if isinstance(default, bool) else type(default)(text)


def key_of(client: Mapping[str, str]) -> Any:
    return load_ssh_public_key(client["public_key"].encode())


def one_line(key: Any) -> str:
    """As Serai and OpenSSH write it; Flower keeps PEM."""
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def say(sentence: str) -> None:
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()
