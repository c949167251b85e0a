"""Over a real server. A client logs as a training does: by the variables that its task gets."""

import json
import os
import subprocess
import uuid
from pathlib import Path

import httpx
import pytest
from django.conf import settings
from django.utils import timezone

from accounts.models import Project, create_person
from dashboard.stack import sandbox
from dashboard.stack.mlflow import ENVIRONMENT
from datacenters.local.processes import processes
from jobs import tracking
from jobs.models import Deployment, TrackingAccount
from jobs.tracking.accounts import login_of
from jobs.tracking.client import Login, administrator, call
from jobs.tracking.server import status

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.usefixtures("mlflow"), pytest.mark.timeout(300)]

TRAIN = """
import mlflow, os
mlflow.set_experiment(os.environ["MLFLOW_EXPERIMENT_NAME"])
with mlflow.start_run(run_name="first"):
    mlflow.log_param("epochs", 3)
    for step in range(3):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
    mlflow.log_text("seven", "answer.txt")
"""
TRAIN_IN_PARTS = """
import mlflow, os
mlflow.set_experiment(os.environ["MLFLOW_EXPERIMENT_NAME"])
with mlflow.start_run(run_name="whole"), mlflow.start_run(run_name="part", nested=True):
    pass
"""


@pytest.fixture
def somebody(db) -> Project:
    """A project that this server has not seen: it outlives each test's database."""
    return create_person(f"person-{uuid.uuid4().hex[:8]}").personal_project


def train(deployment, script: str = TRAIN) -> None:
    Deployment.objects.filter(pk=deployment.pk).update(submitted=timezone.now(), starts=deployment.starts)
    tracking.prepare(deployment)
    plain, secret = tracking.environment(deployment)
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **plain, **secret}
    subprocess.run([ENVIRONMENT / "bin" / "python", "-c", script], env=environment, check=True, cwd="/", timeout=120)


def test_the_server_is_up():
    assert status().state == "up"


def test_a_training_is_tracked_with_its_deployment(somebody, here, training_in):
    training, other = training_in(somebody, here), training_in(somebody, here)
    train(training)
    [run] = tracking.runs_of(training)
    assert (run.name, run.status, run.params) == ("first", "FINISHED", {"epochs": "3"})
    assert run.metrics == {"loss": pytest.approx(1 / 3)}
    assert run.deployment_id == str(training.pk)
    assert run.started <= run.ended
    assert tracking.runs_of(other) == []
    assert tracking.search_runs(somebody) == [run]
    assert tracking.run(somebody, run.id) == run
    history = tracking.metric_history(somebody, run.id, "loss")
    assert [(point.step, point.value) for point in history] == [(0, 1), (1, 0.5), (2, pytest.approx(1 / 3))]


def test_a_training_remembers_its_run(somebody, here, training_in):
    training, silent = training_in(somebody, here), training_in(somebody, here)
    train(training)
    tracking.remember_runs()
    training.refresh_from_db()
    assert training.run_id == tracking.runs_of(training)[0].id
    assert Deployment.objects.get(pk=silent.pk).run_id == ""


def test_the_run_of_a_training_in_parts_is_the_whole(somebody, here, training_in):
    training = training_in(somebody, here)
    train(training, TRAIN_IN_PARTS)
    tracking.remember_runs(training.pk)
    training.refresh_from_db()
    assert tracking.run(somebody, training.run_id).name == "whole"


def test_a_training_that_starts_again_does_not_take_its_former_run(somebody, here, training_in):
    training = training_in(somebody, here)
    train(training)
    Deployment.objects.filter(pk=training.pk).update(submitted=timezone.now(), starts=2)
    tracking.remember_runs()
    training.refresh_from_db()
    assert training.run_id == ""
    train(training)
    tracking.remember_runs()
    training.refresh_from_db()
    assert training.run_id == tracking.runs_of(training)[0].id


def test_a_run_is_remembered_once_mlflow_is_back(somebody, here, training_in, settings):
    training = training_in(somebody, here)
    train(training)
    address, settings.MLFLOW_URL = settings.MLFLOW_URL, "http://127.0.0.1:9"
    tracking.remember_runs()
    settings.MLFLOW_URL = address
    tracking.remember_runs()
    training.refresh_from_db()
    assert training.run_id


def test_ensuring_a_project_twice_changes_nothing(somebody):
    first = tracking.ensure_project(somebody)
    assert tracking.ensure_project(somebody).experiment_id == first.experiment_id
    assert TrackingAccount.objects.count() == 1


def test_another_project_sees_none_of_it(somebody, eve):
    ours, hers = tracking.ensure_project(somebody), tracking.ensure_project(eve.personal_project)
    with pytest.raises(tracking.TrackingRefused):
        call(login_of(hers), "GET", "2.0/mlflow/experiments/get", experiment_id=ours.experiment_id)
    found = call(login_of(hers), "POST", "2.0/mlflow/experiments/search", max_results=100)
    assert {experiment["experiment_id"] for experiment in found.get("experiments", [])} <= {hers.experiment_id}


def test_nobody_without_a_login_gets_in(somebody):
    account = tracking.ensure_project(somebody)
    with pytest.raises(tracking.TrackingRefused):
        call(Login(account.username, "guessed it"), "GET", "2.0/mlflow/experiments/get", experiment_id="0")


def test_an_experiment_that_somebody_made_under_our_name_is_not_taken_for_ours(somebody, eve):
    hers = tracking.ensure_project(eve.personal_project)
    trap = call(login_of(hers), "POST", "2.0/mlflow/experiments/create", name=somebody.slug)
    ours = tracking.ensure_project(somebody)
    assert ours.experiment_id != trap["experiment_id"]
    assert ours.experiment == f"{somebody.slug}-2"


def test_two_that_make_a_projects_experiment_at_once_agree_on_one(somebody, monkeypatch):
    """A sweep starts several trainings of a new project at the same moment."""
    others = []

    def slower(login, method, path, **values):
        if path.endswith("experiments/create") and not others:
            monkeypatch.undo()
            others.append(tracking.ensure_project(somebody))
        return call(login, method, path, **values)

    monkeypatch.setattr("jobs.tracking.accounts.call", slower)
    mine = tracking.ensure_project(somebody)
    assert (mine.experiment_id, mine.experiment) == (others[0].experiment_id, somebody.slug)
    found = call(login_of(mine), "POST", "2.0/mlflow/experiments/search", max_results=100)
    assert [experiment["name"] for experiment in found["experiments"]] == [somebody.slug]


def test_a_deleted_experiment_comes_back_with_the_next_training(somebody):
    account = tracking.ensure_project(somebody)
    call(login_of(account), "POST", "2.0/mlflow/experiments/delete", experiment_id=account.experiment_id)
    assert tracking.ensure_project(somebody).experiment_id == account.experiment_id
    found = call(administrator(), "GET", "2.0/mlflow/experiments/get", experiment_id=account.experiment_id)
    assert found["experiment"]["lifecycle_stage"] == "active"


def test_an_account_that_mlflow_lost_is_made_again(somebody):
    account = tracking.ensure_project(somebody)
    call(administrator(), "DELETE", "2.0/mlflow/users/delete", username=account.username)
    again = tracking.ensure_project(somebody)
    assert call(login_of(again), "GET", "2.0/mlflow/experiments/get", experiment_id=again.experiment_id)


def test_accounts_written_down_while_it_was_away_are_made_later(somebody, settings, here, training_in):
    address, settings.MLFLOW_URL = settings.MLFLOW_URL, "http://127.0.0.1:9"
    tracking.environment(training_in(somebody, here))  # its task is told the account
    settings.MLFLOW_URL = address
    assert tracking.search_runs(somebody) == []
    tracking.ensure_waiting()
    account = TrackingAccount.objects.get(project=somebody)
    assert account.experiment == somebody.slug
    assert tracking.search_runs(somebody) == []


@pytest.mark.parametrize(
    "body",
    [
        {"artifact_location": "file:///etc"},
        {"artifactLocation": "/etc"},
        json.dumps({"artifact_location": "/etc"}),
        {"tags": [{"key": "mlflow.artifactLocation", "value": "/etc"}]},
    ],
)
def test_no_project_chooses_where_the_server_writes(somebody, body):
    """MLflow would read and write in any folder of its machine that an experiment names."""
    account = tracking.ensure_project(somebody)
    named = json.dumps({"name": "x", **json.loads(body)}) if isinstance(body, str) else {"name": "x", **body}
    refused = asked("POST", "2.0/mlflow/experiments/create", login_of(account), json=named)
    assert refused.status_code == 403
    assert "leave out artifact_location" in refused.json()["message"]


def test_no_project_learns_of_the_others(somebody):
    login = login_of(tracking.ensure_project(somebody))
    assert asked("GET", "2.0/mlflow/users/list", login).status_code == 403
    assert asked("GET", "2.0/mlflow/users/list", administrator()).status_code == 200


def test_its_server_is_confined_to_its_folder(mlflow_server):
    """Root's files, too, are closed to it: no new privileges is what Landlock asks for first."""
    try:
        sandbox.version()
    except sandbox.NoSandbox as error:
        pytest.skip(f"this kernel has no Landlock: {error}")
    port = mlflow_server[0].rpartition(":")[2]
    [status] = [
        Path(f"/proc/{process.pid}/status").read_text()
        for process in processes()
        if f"--port\0{port}\0".encode() in Path(f"/proc/{process.pid}/cmdline").read_bytes()
    ]
    assert "NoNewPrivs:\t1" in status


def asked(method: str, path: str, login: Login, **values: object) -> httpx.Response:
    url = f"{settings.MLFLOW_URL}/api/{path}"
    return httpx.request(method, url, auth=(login.username, login.password), timeout=30, **values)
