"""MLflow may be there, or not, or come back: a training never notices."""

import json
import pickle
import threading
from pathlib import Path

import numpy as np
import pytest
from deepaas.model.v2.wrapper import UploadedFile

from {{ cookiecutter.package }} import api, tracking
from {{ cookiecutter.package }}.guard import BadInput, Failed, guarded, plain

NOBODY = "http://127.0.0.1:9"


def train_unluckily() -> None:
    with tracking.run("unlucky", {"epochs": 1}) as run:
        run.log(1, {"loss": 0.5})
        raise ZeroDivisionError


def test_without_mlflow_nothing_is_kept(storage: Path) -> None:
    assert api.train(epochs=1)["run_id"] is None
    assert not (storage / "tracking").exists()


def test_while_mlflow_is_down_the_training_ends_and_keeps_its_journal(
    storage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", NOBODY)
    monkeypatch.setenv("SERAI_DEPLOYMENT_ID", "d1")
    assert api.train(epochs=2)["run_id"] is None
    (journal,) = (storage / "tracking").iterdir()
    begin, *steps, end = [json.loads(line) for line in journal.read_text().splitlines()]
    assert begin["tags"]["serai.deployment"] == "d1"
    assert begin["parameters"]["epochs"] == 2
    assert [entry["step"] for entry in steps] == [1, 2]
    assert end["end"] == "FINISHED"


def test_the_next_training_sends_what_was_kept(storage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", NOBODY)
    with pytest.raises(ZeroDivisionError):
        train_unluckily()
    # MLflow's own store in a folder: the client is real, only the network is left out.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    assert api.train(epochs=2, run_name="lucky")["run_id"]
    assert not list((storage / "tracking").iterdir())

    client = tracking.importlib.import_module("mlflow").MlflowClient()
    runs = {run.info.run_name: run for run in client.search_runs([tracking.experiment_id(client)])}
    assert {name: run.info.status for name, run in runs.items()} == {"lucky": "FINISHED", "unlucky": "FAILED"}
    assert runs["unlucky"].data.metrics == {"loss": 0.5}
    assert runs["lucky"].data.params["epochs"] == "2"
    metric = next(iter(runs["lucky"].data.metrics))
    history = client.get_metric_history(runs["lucky"].info.run_id, metric)
    assert [point.step for point in history] == [1, 2]


def test_a_service_that_starts_sends_what_was_kept(
    storage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", NOBODY)
    with tracking.run("early", {"epochs": 1}, [tracking.data("leaves", "https://example.org/leaves.zip")]) as run:
        run.log(1, {"loss": 0.5})
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    tracking.send_left_overs()
    for thread in threading.enumerate():
        if thread.name == "tracking":
            thread.join(60)

    client = tracking.importlib.import_module("mlflow").MlflowClient()
    [found] = client.search_runs([tracking.experiment_id(client)])
    assert (found.info.run_name, found.info.status, found.data.metrics) == ("early", "FINISHED", {"loss": 0.5})
    assert found.data.tags.get("serai.version") == tracking.own_tags().get("serai.version")
    assert [one.dataset.name for one in found.inputs.dataset_inputs] == ["leaves"]
    assert not list((storage / "tracking").iterdir())


def test_storage_that_cannot_be_written_fails_no_tracking(storage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", NOBODY)
    (storage / "tracking").write_text("a file where the folder would be")
    with tracking.run("stubborn", {}) as run:
        run.log(1, {"loss": 0.5})
    assert run.id is None


def test_every_error_reaches_the_caller_with_its_reason(tmp_path: Path) -> None:
    upload = tmp_path / "upload"

    @guarded()
    def breaks(file: UploadedFile) -> str:
        return {"rose": file.filename}["petal"]

    upload.write_text("x")
    with pytest.raises(Failed, match="KeyError: 'petal'"):
        breaks(file=UploadedFile("file", str(upload), "text/plain", "x.txt"))
    assert not upload.exists()


@pytest.mark.parametrize("error", [BadInput(text="Too long."), Failed("It is broken.")])
def test_errors_survive_the_way_between_processes(error: Exception) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (type(error), str(error))


def test_results_become_plain_json() -> None:
    given = {"a": np.float32(0.5), "b": np.arange(2), "c": float("nan"), "d": (np.int64(3), None), "e": b"x"}
    assert plain(given) == {"a": 0.5, "b": [0, 1], "c": None, "d": [3, None], "e": b"x"}
