"""How far a start has come, as the deployment's page shows it."""

import pytest
from django.utils import timezone

from dashboard.stages import stages_of
from jobs.models import Deployment, DeploymentKind, Status


def states(**fields: object) -> dict[str, str]:
    return {str(stage.title): stage.state for stage in stages_of(Deployment(**{"request": {}, **fields}))}


def test_what_is_behind_is_done_and_one_stage_is_at_work():
    assert list(states(status=Status.STARTING, stage="packages").values()) == [
        "done", "done", "done", "done", "now", "waiting", "waiting",
    ]  # fmt: skip


def test_a_program_that_runs_but_does_not_answer_yet_is_not_done():
    shown = states(status=Status.STARTING, stage="health", started=timezone.now())
    assert shown["Program started"] == "done"
    assert shown["Endpoint answers"] == "now"


def test_a_start_that_failed_shows_where():
    assert states(status=Status.FAILED, stage="packages")["Packages installed"] == "failed"
    shown = states(status=Status.FAILED, stage="health", started=timezone.now())
    assert shown["Endpoint answers"] == "failed"


@pytest.mark.parametrize("status", [Status.RUNNING, Status.STOPPED, Status.UNKNOWN])
def test_what_ran_has_every_stage_behind_it(status):
    assert set(states(status=status, stage="health", started=timezone.now()).values()) == {"done"}


def test_a_training_has_no_endpoint_to_wait_for():
    shown = states(status=Status.RUNNING, kind=DeploymentKind.BATCH)
    assert "Endpoint answers" not in shown
    assert states(status=Status.FAILED, kind=DeploymentKind.BATCH, started=timezone.now())["Program started"] == "done"


def test_datasets_are_a_stage_of_those_that_ask_for_some():
    fetching = {"status": Status.STARTING, "stage": "datasets"}
    assert states(**fetching, request={"datasets": [{"source": "10.5281/zenodo.1"}]})["Datasets fetched"] == "now"
    assert "Datasets fetched" not in states(status=Status.STARTING, stage="packages")
