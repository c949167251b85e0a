"""Writes a federation's rounds to MLflow by its REST API. While MLflow does not answer, they wait here."""

import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

TIMEOUT_SECONDS = 5
PAUSE_SECONDS = 20  # after a silence
MODEL_PATH = "model/joint-model.npz"


class MlflowLog:
    """One run of MLflow a start. ``send`` may be called at any time with all that is known, and sends what is new."""

    def __init__(self, client: httpx.Client | None) -> None:
        self.client = client
        self.run_id, self.artifacts = "", ""
        self.rounds_sent = 0
        self.ended = False
        self.not_before = 0.0

    @classmethod
    def from_environment(cls) -> "MlflowLog":
        address = os.environ.get("MLFLOW_TRACKING_URI", "")
        if not address:
            return cls(None)
        login = (os.environ["MLFLOW_TRACKING_USERNAME"], os.environ["MLFLOW_TRACKING_PASSWORD"])
        base = f"{address.rstrip('/')}/api/2.0/"
        return cls(httpx.Client(base_url=base, auth=login, timeout=TIMEOUT_SECONDS, trust_env=False))

    def send(self, report: Mapping[str, Any], model: Path) -> None:
        if self.client is None or self.ended or not report["rounds"] or time.monotonic() < self.not_before:
            return
        try:
            self._begin()
            self._send_rounds(report["rounds"])
            if report["phase"] in ("finished", "failed"):
                self._end(report, model)
        except (httpx.HTTPError, KeyError, ValueError) as error:
            self.not_before = time.monotonic() + PAUSE_SECONDS
            sys.stdout.write(f"MLflow does not take it now, it is tried again: {error}\n")

    def _begin(self) -> None:
        if self.run_id:
            return
        name = os.environ["MLFLOW_EXPERIMENT_NAME"]
        experiment = self._ask("GET", "mlflow/experiments/get-by-name", experiment_name=name)["experiment"]
        context = json.loads(os.environ.get("MLFLOW_RUN_CONTEXT", "{}"))
        made = self._ask(
            "POST",
            "mlflow/runs/create",
            experiment_id=experiment["experiment_id"],
            run_name="federation",
            start_time=_now(),
            tags=[{"key": key, "value": value} for key, value in context.items()],
        )["run"]["info"]
        self.artifacts = made["artifact_uri"]
        options = [(name, value) for name, value in os.environ.items() if name.startswith("OPTION_") and value]
        params = [{"key": name.removeprefix("OPTION_").lower(), "value": value} for name, value in options]
        self._ask("POST", "mlflow/runs/log-batch", run_id=made["run_id"], params=params)
        self.run_id = made["run_id"]

    def _send_rounds(self, rounds: list[dict[str, Any]]) -> None:
        fresh = rounds[self.rounds_sent :]
        metrics = [
            {"key": name, "value": value, "step": told["round"], "timestamp": _now()}
            for told in fresh
            for name, value in metrics_of(told).items()
        ]
        if metrics:
            self._ask("POST", "mlflow/runs/log-batch", run_id=self.run_id, metrics=metrics)
        self.rounds_sent = len(rounds)

    def _end(self, report: Mapping[str, Any], model: Path) -> None:
        if model.exists() and self.artifacts.startswith("mlflow-artifacts:/"):
            assert self.client is not None
            path = self.artifacts.removeprefix("mlflow-artifacts:").strip("/")
            url = f"mlflow-artifacts/artifacts/{path}/{MODEL_PATH}"
            self.client.put(url, content=model.read_bytes()).raise_for_status()
        status = "FINISHED" if report["phase"] == "finished" else "FAILED"
        self._ask("POST", "mlflow/runs/update", run_id=self.run_id, status=status, end_time=_now())
        self.ended = True

    def _ask(self, method: str, path: str, **values: Any) -> dict[str, Any]:
        assert self.client is not None
        payload: dict[str, Any] = {"params": values} if method == "GET" else {"json": values}
        answer = self.client.request(method, path, **payload)
        answer.raise_for_status()
        return dict(answer.json())


def metrics_of(told: Mapping[str, Any]) -> dict[str, float]:
    """One flat name a figure, as ``joint accuracy``."""
    groups = [(name, told.get(name) or {}) for name in ("train", "evaluate", "joint")]
    return {f"{group} {name}": float(value) for group, figures in groups for name, value in figures.items()}


def _now() -> int:
    return int(time.time() * 1000)
