import json
import time

import pytest

from accounts.models import Membership
from jobs import tracking
from jobs.models import TrackingAccount
from jobs.tracking.sweeps import tend_sweeps

pytestmark = pytest.mark.django_db


def test_a_training_gets_its_login_although_mlflow_is_down(ada, here, training_in, no_mlflow):
    training = training_in(ada.personal_project, here)
    began = time.monotonic()
    tracking.prepare(training)
    plain, secret = tracking.environment(training)
    assert time.monotonic() - began < 5
    assert plain["MLFLOW_TRACKING_URI"] == "http://127.0.0.1:9"
    assert plain["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "1"
    assert json.loads(plain["MLFLOW_RUN_CONTEXT"])["serai.deployment"] == str(training.pk)
    assert tracking.environment(training)[1] == secret
    assert len(secret["MLFLOW_TRACKING_PASSWORD"]) >= 12


def test_no_secret_is_among_the_plain_variables(ada, here, training_in, no_mlflow):
    plain, secret = tracking.environment(training_in(ada.personal_project, here))
    assert set(secret) == {"MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"}
    assert secret["MLFLOW_TRACKING_PASSWORD"] not in str(plain)


def test_where_nothing_tracks_a_task_gets_nothing(ada, here, training_in, settings):
    settings.MLFLOW_URL = ""
    assert tracking.environment(training_in(ada.personal_project, here)) == ({}, {})


def test_a_task_elsewhere_needs_an_address_that_it_can_reach(ada, elsewhere, training_in, no_mlflow, settings):
    training = training_in(ada.personal_project, elsewhere)
    assert tracking.environment(training) == ({}, {})
    settings.MLFLOW_PUBLIC_URL = "https://mlflow.example.org"
    assert tracking.environment(training)[0]["MLFLOW_TRACKING_URI"] == "https://mlflow.example.org"


def test_asking_for_runs_says_that_mlflow_does_not_answer(ada, no_mlflow):
    account = TrackingAccount(project=ada.personal_project, username="project-ada", password="x", experiment_id="1")
    account.save()
    with pytest.raises(tracking.TrackingUnavailable, match="MLflow does not answer"):
        tracking.search_runs(ada.personal_project)


def test_a_project_that_never_trained_has_no_runs_and_asks_nobody(ada, no_mlflow):
    assert tracking.search_runs(ada.personal_project) == []


def test_the_password_is_encrypted_at_rest(ada, here, training_in, no_mlflow):
    _, secret = tracking.environment(training_in(ada.personal_project, here))
    [stored] = TrackingAccount.objects.raw("SELECT id, password AS raw FROM jobs_trackingaccount")
    assert secret["MLFLOW_TRACKING_PASSWORD"] not in stored.raw


def test_members_share_the_projects_account(ada, bob, here, training_in, no_mlflow):
    training = training_in(Membership.objects.get(user=bob, project__personal_of=bob).project, here)
    training.project = ada.personal_project
    assert tracking.environment(training)[1]["MLFLOW_TRACKING_USERNAME"] == "project-ada"


def test_a_sweep_waits_for_its_run_and_for_nothing_else(ada, no_mlflow, sweep_in):
    sweep = sweep_in(ada.personal_project)
    tend_sweeps()
    sweep.refresh_from_db()
    assert (sweep.run_id, sweep.run_closed) == ("", False)


def test_where_nothing_tracks_nobody_is_asked_for_the_run_of_a_sweep(ada, settings, sweep_in):
    settings.MLFLOW_URL = settings.MLFLOW_PUBLIC_URL = ""
    sweep = sweep_in(ada.personal_project)
    tend_sweeps()
    sweep.refresh_from_db()
    assert sweep.run_id == ""
