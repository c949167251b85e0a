"""Finding, comparing and keeping runs over a real server, by the accounts of people's projects."""

import asyncio
import json
import os
import time
import uuid
from datetime import timedelta

import httpx
import pytest
from django.conf import settings
from django.utils import timezone

from accounts.models import Project, create_person
from jobs import tracking
from jobs.models import TrackingAccount
from jobs.tracking import BadFilter, Order, Wanted
from jobs.tracking.accounts import login_of
from jobs.tracking.client import call
from jobs.tracking.files import beginning, file_at, files_of, stream
from jobs.tracking.runs import login

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.usefixtures("mlflow"), pytest.mark.timeout(300)]


def a_project() -> Project:
    """One that this server has not seen: it outlives each test's database."""
    return create_person(f"person-{uuid.uuid4().hex[:8]}").personal_project


@pytest.fixture
def ours(db) -> Project:
    return a_project()


@pytest.fixture
def hers(db) -> Project:
    return a_project()


def logged(project: Project, name: str, *, loss: float, ended: str = "FINISHED", **tags: str) -> str:
    """A run with three steps towards this loss; its id."""
    account = tracking.ensure_project(project)
    who, now = login_of(account), int(time.time() * 1000)
    pairs = [{"key": f"serai.{key}", "value": value} for key, value in tags.items()]
    made = call(
        who,
        "POST",
        "2.0/mlflow/runs/create",
        experiment_id=account.experiment_id,
        run_name=name,
        start_time=now,
        tags=pairs,
    )
    run_id: str = made["run"]["info"]["run_id"]
    metrics = [{"key": "loss", "value": loss * 3 / step, "timestamp": now + step, "step": step} for step in (1, 2, 3)]
    params = [{"key": "name", "value": name}]
    call(who, "POST", "2.0/mlflow/runs/log-batch", run_id=run_id, metrics=metrics, params=params)
    call(who, "POST", "2.0/mlflow/runs/update", run_id=run_id, status=ended, end_time=now + 5)
    return run_id


def names(found) -> list[str]:
    return [item.run.name for item in found.runs]


def test_nobody_finds_runs_of_a_project_that_is_not_theirs(ours, hers):
    mine = logged(ours, "mine", loss=1)
    logged(hers, "theirs", loss=1)
    assert names(tracking.find([ours], Wanted(), limit=9)) == ["mine"]
    assert names(tracking.find([hers], Wanted(), limit=9)) == ["theirs"]
    assert tracking.find_by_ids([hers], [mine]) == []
    assert [item.run.id for item in tracking.find_by_ids([ours, hers], [mine])] == [mine]


def test_her_account_is_given_no_course_and_no_file_of_mine(ours, hers):
    """MLflow itself keeps them apart: Serai asks by her project's account and never by its own."""
    mine = logged(ours, "mine", loss=1)
    keep(ours, mine, "secret.txt", b"secret")
    tracking.ensure_project(hers)
    for forbidden in (
        lambda: files_of(hers, mine),
        lambda: beginning(hers, mine, "secret.txt", 10),
        lambda: tracking.metric_history(hers, mine, "loss"),
    ):
        with pytest.raises(tracking.TrackingRefused):
            forbidden()


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Wanted(module="digits"), ["second", "first"]),
        (Wanted(sweep="s1"), ["second"]),
        (Wanted(status="FAILED"), ["first"]),
        (Wanted(filter="metrics.loss < 0.2"), ["second"]),
        (Wanted(filter="params.name = 'first' and metrics.loss > 0"), ["first"]),
        (Wanted(words="name=sec"), ["second"]),
        (Wanted(order=Order.parse("-metrics.loss")), ["third", "first", "second"]),
        (Wanted(order=Order.parse("name")), ["first", "second", "third"]),
    ],
)
def test_filters_and_orders_mean_in_mlflow_what_they_say(ours, wanted, found):
    logged(ours, "first", loss=0.5, ended="FAILED", module="digits", deployment="d1")
    logged(ours, "second", loss=0.1, module="digits", deployment="d2", sweep="s1")
    logged(ours, "third", loss=0.9, module="plants", deployment="d3")
    assert names(tracking.find([ours], wanted, limit=9)) == found


def test_a_filter_that_it_cannot_read_says_what_is_wrong(ours):
    tracking.ensure_project(ours)
    with pytest.raises(BadFilter, match="Invalid clause"):
        tracking.find([ours], Wanted(filter="metrics.x >"), limit=1)


def test_courses_of_runs_of_two_projects(ours, hers):
    ids = [logged(ours, "a", loss=1), logged(hers, "b", loss=0.5)]
    courses = tracking.courses(tracking.find_by_ids([ours, hers], ids), ["loss"])["loss"]
    assert {(one.run_id, one.steps, one.values) for one in courses} == {
        (ids[0], (1, 2, 3), (3.0, 1.5, 1.0)),
        (ids[1], (1, 2, 3), (1.5, 0.75, 0.5)),
    }


def test_an_experiment_that_a_notebook_made_is_seen_by_its_project_alone(ours, hers):
    account = tracking.ensure_project(ours)
    name = f"try-{uuid.uuid4().hex[:8]}"
    made = call(login_of(account), "POST", "2.0/mlflow/experiments/create", name=name)["experiment_id"]
    call(login_of(account), "POST", "2.0/mlflow/runs/create", experiment_id=made, run_name="from a notebook")
    tracking.ensure_project(hers)
    assert names(tracking.find([ours], Wanted(), limit=9)) == ["from a notebook"]
    assert names(tracking.find([hers], Wanted(), limit=9)) == []


def test_files_are_listed_and_come_back_byte_for_byte(ours):
    run_id, content = logged(ours, "a", loss=1), bytes(range(256)) * 2_000
    keep(ours, run_id, "model/weights.bin", content)
    keep(ours, run_id, "notes.txt", b"forty-two")
    assert [(file.path, file.is_folder) for file in files_of(ours, run_id)] == [("model", True), ("notes.txt", False)]
    found = file_at(ours, run_id, "model/weights.bin")
    assert found
    assert found.size_bytes == len(content)
    assert beginning(ours, run_id, "notes.txt", 5) == b"forty"
    assert asyncio.run(whole(login(ours), run_id, found.path)) == content
    assert file_at(ours, run_id, "nothing") is None


def test_a_training_that_mlflow_missed_is_there_with_its_metrics_once_it_answers(
    ours, here, training_in, settings, tmp_path, no_mlflow_address
):
    """Kept by the training while it was away; no other training has to start."""
    training = training_in(ours, here)
    type(training).objects.filter(pk=training.pk).update(submitted=timezone.now() - timedelta(minutes=5))
    settings.SERAI_TASKS_DIR = str(tmp_path)
    address, settings.MLFLOW_URL = settings.MLFLOW_URL, no_mlflow_address
    tracking.environment(training)  # its task is told the account, which MLflow does not know yet
    journal = kept(tmp_path, ours, str(training.pk))
    tracking.send_journals()
    tracking.remember_runs()
    assert journal.exists()

    settings.MLFLOW_URL = address
    tracking.ensure_waiting()
    tracking.send_journals()
    tracking.remember_runs()
    assert not journal.exists()
    training.refresh_from_db()
    [item] = tracking.find_by_ids([ours], [training.run_id])
    assert (item.run.name, item.run.status, item.run.params) == ("missed", "FINISHED", {"epochs": "2"})
    assert [(one.name, one.source) for one in item.run.datasets] == [("digits", "scikit-learn: load_digits")]
    [course] = tracking.courses([item], ["loss"])["loss"]
    assert (course.steps, course.values) == ((1, 2), (1.0, 0.5))


@pytest.fixture
def no_mlflow_address() -> str:
    return "http://127.0.0.1:9"


def kept(root, project: Project, deployment_id: str):
    """As a training leaves it on its storage."""
    folder = root / "storage" / project.slug / "digits" / "tracking"
    folder.mkdir(parents=True)
    now = int(time.time() * 1000) - 60_000
    data = [{"name": "digits", "source": "scikit-learn: load_digits", "digest": "b36d4bf7e4c9"}]
    tags = {"serai.deployment": deployment_id}
    entries = [
        {"name": "missed", "tags": tags, "parameters": {"epochs": 2}, "data": data, "time": now},
        *({"metrics": {"loss": 1 / step}, "step": step, "time": now + step} for step in (1, 2)),
        {"end": "FINISHED", "time": now + 10},
    ]
    file = folder / "one.jsonl"
    file.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    os.utime(file, (time.time() - 60,) * 2)
    return file


def keep(project: Project, run_id: str, path: str, content: bytes) -> None:
    account = TrackingAccount.objects.get(project=project)
    folder = f"{account.experiment_id}/{run_id}/artifacts"
    url = f"{settings.MLFLOW_URL}/api/2.0/mlflow-artifacts/artifacts/{folder}/{path}"
    answer = httpx.put(url, content=content, auth=(account.username, account.password), timeout=30)
    answer.raise_for_status()


async def whole(who, run_id: str, path: str) -> bytes:
    return b"".join([piece async for piece in stream(who, run_id, path)])
