"""Rounds in MLflow: each once, also when MLflow was away meanwhile."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from jobs.tools.flower import mlflow_log
from jobs.tools.flower.mlflow_log import MlflowLog

RUN = "ab" * 16


class Mlflow:
    """What stands at the border: it answers as MLflow does, or not at all."""

    def __init__(self) -> None:
        self.away = False
        self.asked: list[tuple[str, Any]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.away:
            raise httpx.ConnectError("refused")
        path = request.url.path.removeprefix("/api/2.0/")
        is_json = request.headers.get("content-type") == "application/json"
        self.asked.append((path, json.loads(request.content) if is_json else request.content))
        info = {"run_id": RUN, "artifact_uri": f"mlflow-artifacts:/1/{RUN}/artifacts"}
        return httpx.Response(200, json={"experiment": {"experiment_id": "1"}, "run": {"info": info}})

    def metrics(self) -> list[tuple[str, int, float]]:
        sent = [body["metrics"] for path, body in self.asked if path == "mlflow/runs/log-batch" and "metrics" in body]
        return [(item["key"], item["step"], item["value"]) for batch in sent for item in batch]


@pytest.fixture
def mlflow(monkeypatch) -> Mlflow:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "ada")
    monkeypatch.setenv("MLFLOW_RUN_CONTEXT", '{"serai.deployment": "d"}')
    monkeypatch.setenv("OPTION_ROUNDS", "2")
    monkeypatch.setattr(mlflow_log, "PAUSE_SECONDS", 0)
    return Mlflow()


@pytest.fixture
def log(mlflow) -> MlflowLog:
    return MlflowLog(httpx.Client(base_url="http://mlflow/api/2.0/", transport=httpx.MockTransport(mlflow)))


def told(*accuracies: float, phase: str = "running") -> dict[str, Any]:
    rounds = [{"round": n, "joint": {"accuracy": value}} for n, value in enumerate(accuracies, 1)]
    return {"phase": phase, "rounds": rounds}


def test_each_round_is_sent_once_with_what_was_asked_for(log, mlflow, tmp_path):
    for report in (told(), told(0.5), told(0.5), told(0.5, 0.7)):
        log.send(report, tmp_path / "none")
    assert mlflow.metrics() == [("joint accuracy", 1, 0.5), ("joint accuracy", 2, 0.7)]
    created = dict(mlflow.asked)["mlflow/runs/create"]
    assert {"key": "serai.deployment", "value": "d"} in created["tags"]
    params = next(body["params"] for path, body in mlflow.asked if isinstance(body, dict) and "params" in body)
    assert {"key": "rounds", "value": "2"} in params
    assert log.run_id == RUN


def test_what_came_while_mlflow_was_away_is_sent_later(log, mlflow, tmp_path):
    mlflow.away = True
    log.send(told(0.5), tmp_path / "none")
    log.send(told(0.5, 0.7), tmp_path / "none")
    assert log.run_id == ""
    mlflow.away = False
    log.send(told(0.5, 0.7, phase="finished"), tmp_path / "none")
    assert [value for _key, _step, value in mlflow.metrics()] == [0.5, 0.7]


def test_at_the_end_the_model_is_there_and_the_run_is_closed(log, mlflow, tmp_path):
    model: Path = tmp_path / "joint-model.npz"
    model.write_bytes(b"weights")
    for _again in range(2):
        log.send(told(0.5, phase="finished"), model)
    ends = [body["status"] for path, body in mlflow.asked if path == "mlflow/runs/update"]
    assert ends == ["FINISHED"]
    stored = f"mlflow-artifacts/artifacts/1/{RUN}/artifacts/model/joint-model.npz"
    assert (stored, b"weights") in mlflow.asked


def test_without_mlflow_nothing_is_sent(monkeypatch, tmp_path):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    log = MlflowLog.from_environment()
    log.send(told(0.5, phase="finished"), tmp_path / "none")
    assert log.run_id == ""
