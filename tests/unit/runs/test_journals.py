"""What trainings kept while MLflow was away reaches it without another training, and nothing else is read for it."""

import fcntl
import json
import os
import time
from pathlib import Path

import pytest

from jobs import tracking
from tests.unit.runs.conftest import account_in

pytestmark = pytest.mark.django_db

BEGIN = {"name": "kept", "tags": {"serai.deployment": "d"}, "parameters": {"epochs": 2}, "time": 1_000}
STEPS = [{"metrics": {"loss": 1 / step}, "step": step, "time": 1_000 + step} for step in (1, 2)]
END = {"end": "FINISHED", "time": 2_000}


@pytest.fixture
def storage(settings, tmp_path, ada) -> Path:
    """Where a module keeps the journals of its trainings in Ada's project."""
    settings.SERAI_TASKS_DIR = str(tmp_path)
    folder = tmp_path / "storage" / ada.personal_project.slug / "digits" / "tracking"
    folder.mkdir(parents=True)
    return folder


def kept(folder: Path, *entries: object, name: str = "one.jsonl", age: float = 60) -> Path:
    file = folder / name
    file.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    os.utime(file, (time.time() - age,) * 2)
    return file


def calls(mlflow) -> list[str]:
    return [name for _who, name, _body in mlflow.written]


def test_a_left_over_is_sent_whole_by_the_projects_account(mlflow, storage, ada):
    account = account_in(ada.personal_project)
    data = [{"name": "leaves", "source": "https://example.org/leaves.zip", "digest": "ab"}]
    file = kept(storage, {**BEGIN, "data": data}, *STEPS, END)
    tracking.send_journals()
    assert calls(mlflow) == ["runs/create", "runs/log-batch", "runs/log-inputs", "runs/log-batch", "runs/update"]
    assert {who for who, _name, _body in mlflow.written} == {account}
    create, params, inputs, metrics, update = (body for _who, _name, body in mlflow.written)
    assert (create["experiment_id"], create["run_name"], create["start_time"]) == (f"of-{account}", "kept", 1_000)
    assert params["params"] == [{"key": "epochs", "value": "2"}]
    assert inputs["datasets"][0]["dataset"]["name"] == "leaves"
    assert [(one["step"], one["value"]) for one in metrics["metrics"]] == [(1, 1.0), (2, 0.5)]
    assert (update["status"], update["end_time"]) == ("FINISHED", 2_000)
    assert not file.exists()


def test_what_was_sent_before_is_not_sent_again(mlflow, storage, ada):
    account_in(ada.personal_project)
    kept(storage, BEGIN, {"run_id": "r1"}, STEPS[0], {"sent": 2}, STEPS[1], END)
    tracking.send_journals()
    assert calls(mlflow) == ["runs/log-batch", "runs/update"]
    [metrics, update] = (body for _who, _name, body in mlflow.written)
    assert [one["step"] for one in metrics["metrics"]] == [2]
    assert update["run_id"] == "r1"


def test_a_training_that_was_killed_is_told_as_killed(mlflow, storage, ada):
    account_in(ada.personal_project)
    kept(storage, BEGIN, *STEPS)
    tracking.send_journals()
    assert mlflow.written[-1][2]["status"] == "KILLED"


def test_while_mlflow_is_away_everything_stays(away, storage, ada):
    account_in(ada.personal_project)
    file = kept(storage, BEGIN, *STEPS, END)
    tracking.send_journals()
    assert file.exists()


def test_a_training_that_runs_keeps_its_journal(mlflow, storage, ada):
    account_in(ada.personal_project)
    file = kept(storage, BEGIN)
    with file.open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        tracking.send_journals()
    kept(storage, BEGIN, name="just-begun.jsonl", age=0)
    assert calls(mlflow) == []
    assert file.exists()


@pytest.mark.parametrize("line", ["no json", "[1]", '{"name": 1}', "{" * 100_000])
def test_what_is_no_journal_is_put_aside(mlflow, storage, ada, line):
    account_in(ada.personal_project)
    odd = storage / "odd.jsonl"
    odd.write_text(line + "\n")
    os.utime(odd, (1, 1))
    good = kept(storage, BEGIN, END)
    tracking.send_journals()
    assert (storage / "odd.refused").exists()
    assert not good.exists()


def test_no_link_pipe_or_second_name_is_read(mlflow, storage, ada, tmp_path):
    """A task may put anything there; Serai may be root."""
    account_in(ada.personal_project)
    secret = kept(tmp_path, BEGIN, END, name="secret.jsonl")
    (storage / "link.jsonl").symlink_to(secret)
    (storage / "second.jsonl").hardlink_to(secret)
    os.mkfifo(storage / "pipe.jsonl")
    (storage / "folder.jsonl").mkdir()
    tracking.send_journals()
    assert calls(mlflow) == []
    assert secret.exists()


def test_no_folder_that_is_a_link_is_entered(mlflow, storage, ada, tmp_path):
    account_in(ada.personal_project)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    kept(elsewhere, BEGIN, END)
    (storage.parent.parent / "other").mkdir()
    (storage.parent.parent / "other" / "tracking").symlink_to(elsewhere)
    (storage.parent.parent / "whole").symlink_to(elsewhere)
    tracking.send_journals()
    assert calls(mlflow) == []


def test_one_projects_journal_goes_to_its_own_runs_alone(mlflow, storage, ada, eve):
    hers = account_in(eve.personal_project)
    kept(storage, {**BEGIN, "tags": {"serai.project": eve.personal_project.slug}}, END)
    tracking.send_journals()
    assert calls(mlflow) == []  # Ada's project has no account yet, and Eve's is not asked for it
    ours = account_in(ada.personal_project)
    tracking.send_journals()
    assert {who for who, _name, _body in mlflow.written} == {ours} != {hers}
