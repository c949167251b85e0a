"""The pages of deployments, as people use them without JavaScript."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from jobs.models import Deployment, Status, TrackingAccount, UsageSample
from tests.unit.api.conftest import digits, site  # noqa: F401

ACTIONS = ("stop", "start", "restart", "delete")


@pytest.fixture
def adas(client, ada):
    """A browser in which Ada is signed in."""
    client.force_login(ada)
    return client


@pytest.fixture
def deployment(site, digits, adas) -> Deployment:  # noqa: F811
    adas.post(reverse("deploy", args=["digits"]), {"title": "My digits"})
    return Deployment.objects.get()


def test_the_form_is_filled_so_that_one_click_deploys(site, digits, adas):  # noqa: F811
    page = adas.get(reverse("deploy", args=["digits"])).content.decode()
    values = dict(re.findall(r'name="([a-z_]+)" value="([^"]+)"', page))

    assert values["memory_mb"] == "2000"
    answer = adas.post(reverse("deploy", args=["digits"]), values)

    deployment = Deployment.objects.get()
    assert answer.status_code == 302
    assert answer.url == reverse("deployment", args=[deployment.pk])


def test_a_wrong_value_comes_back_at_its_field_with_nothing_lost(site, digits, adas):  # noqa: F811
    answer = adas.post(reverse("deploy", args=["digits"]), {"title": "Kept", "memory_mb": "900000"})

    page = answer.content.decode()
    assert answer.status_code == 422
    assert 'value="Kept"' in page
    assert 'value="900000"' in page
    assert "8,000 MB" in page
    assert not Deployment.objects.exists()


def test_the_place_beside_the_form_says_whether_it_starts_now(site, digits, adas):  # noqa: F811
    fits = adas.post(reverse("deploy-beside", args=["digits"]), {"memory_mb": "1000"}).content.decode()
    never = adas.post(reverse("deploy-beside", args=["digits"]), {"memory_mb": "64000"}).content.decode()

    assert "Starts now" in fits
    assert "curl -X POST" in fits
    assert "64,000 MB" in never


def test_a_script_to_copy_holds_no_token(site, digits, adas, bearer, ada):  # noqa: F811
    token = bearer(ada)["Authorization"].removeprefix("Bearer ")

    page = adas.get(reverse("deploy", args=["digits"])).content.decode()

    assert "$SERAI_TOKEN" in page
    assert token not in page


def test_the_list_shows_what_i_may_see(deployment, client, eve, bob):
    for person, sees in ((bob, True), (eve, False)):
        client.force_login(person)
        assert ("My digits" in client.get(reverse("deployments")).content.decode()) is sees


def test_the_page_tells_status_reason_and_history(deployment, adas):
    Deployment.objects.update(status=Status.FAILED, reason="The module ended with exit code 3.", advice="See its log.")

    page = adas.get(reverse("deployment", args=[deployment.pk])).content.decode()

    assert "The module ended with exit code 3." in page
    assert "See its log." in page
    assert "queued" in page
    assert reverse("deployment-start", args=[deployment.pk]) in page


def test_nobody_else_finds_any_page_of_it(deployment, client, eve):
    client.force_login(eve)
    pages = (
        "",
        "-status",
        "-timeline",
        "-outcome",
        "-metrics",
        "-stream",
        "-log",
        "-log-text",
        "-log-stream",
        "-usage",
        "-spec",
        "-clone",
    )

    for name in pages:
        assert client.get(reverse(f"deployment{name}", args=[deployment.pk])).status_code == 404, name
    for name in (*ACTIONS, "restore"):
        assert client.post(reverse(f"deployment-{name}", args=[deployment.pk])).status_code == 404, name


def test_looking_changes_nothing(deployment, adas):
    for name in (*ACTIONS, "restore"):
        assert adas.get(reverse(f"deployment-{name}", args=[deployment.pk])).status_code == 405, name


def test_stopping_and_starting_again(deployment, adas):
    adas.post(reverse("deployment-stop", args=[deployment.pk]))
    deployment.refresh_from_db()
    assert deployment.status == Status.STOPPED

    adas.post(reverse("deployment-start", args=[deployment.pk]))
    deployment.refresh_from_db()
    assert deployment.status == Status.QUEUED


def test_deleting_offers_an_undo_for_ten_minutes(deployment, adas):
    adas.post(reverse("deployment-delete", args=[deployment.pk]))
    undo = reverse("deployment-restore", args=[deployment.pk])
    assert adas.get(reverse("deployment", args=[deployment.pk])).status_code == 404
    assert undo in adas.get(reverse("deployments")).content.decode()

    adas.post(undo)
    assert adas.get(reverse("deployment", args=[deployment.pk])).status_code == 200

    Deployment.objects.update(deleted=timezone.now() - timedelta(minutes=11))
    assert undo not in adas.get(reverse("deployments")).content.decode()
    assert adas.post(undo).status_code == 404


def test_a_clone_begins_with_the_same_values(deployment, adas):
    Deployment.objects.update(
        request={**deployment.request, "resources": {**deployment.request["resources"], "memory_mb": 1_234}}
    )

    page = adas.get(reverse("deployment-clone", args=[deployment.pk]), follow=True).content.decode()

    assert 'value="1234"' in page
    assert 'value="My digits"' in page


def test_the_use_of_resources_is_given_in_order(deployment, adas):
    now = timezone.now()
    for minutes, cores in ((2, 0.5), (1, 1.0)):
        at = now - timedelta(minutes=minutes)
        UsageSample.objects.create(deployment=deployment, at=at, cpu_cores=cores, memory_bytes=100_000_000)

    usage = adas.get(reverse("deployment-usage", args=[deployment.pk])).json()

    assert usage["cpu_cores"] == [0.5, 1.0]
    assert usage["memory_mb"] == [100.0, 100.0]
    assert usage["times"] == sorted(usage["times"])


def test_the_specification_is_shown_without_secrets(deployment, adas):
    page = adas.get(reverse("deployment-spec", args=[deployment.pk])).content.decode()

    assert "TaskGroups" in page
    assert str(deployment.pk) in page


def test_a_training_asks_for_the_right_to_train(site, digits, adas, ada):  # noqa: F811
    ada.level = 10
    ada.save()

    answer = adas.post(reverse("train", args=["digits"]))

    assert answer.status_code == 422
    assert not Deployment.objects.exists()


def test_the_result_of_a_training_is_shown_in_plain_values(deployment, adas):
    output = {"test_accuracy": 0.9755555, "epochs": 15, "curve": [1, 2]}
    Deployment.objects.update(kind="batch", status=Status.COMPLETED, result={"result": {"output": output}})

    page = adas.get(reverse("deployment-outcome", args=[deployment.pk])).content.decode()

    assert "0.9756" in page
    assert "15" in page
    assert "&quot;curve&quot;" in page


def test_mlflow_down_is_a_sentence_on_the_page_of_a_training(deployment, adas, settings):
    settings.MLFLOW_URL = "http://127.0.0.1:9"
    TrackingAccount.objects.create(project=deployment.project, username="p", password="x", experiment_id="1")

    answer = adas.get(reverse("deployment-metrics", args=[deployment.pk])).json()

    assert answer["series"] == []
    assert "MLflow" in answer["problem"]


def test_a_remembered_run_opens_in_mlflow_without_javascript_too(deployment, adas, ada):
    page = reverse("deployment", args=[deployment.pk])
    assert "Open in MLflow" not in adas.get(page).content.decode()
    TrackingAccount.objects.create(
        project=ada.personal_project, username="project-ada", password="x", experiment_id="7"
    )
    Deployment.objects.update(run_id="0123abcd")
    door = reverse("open-endpoint", args=[deployment.pk, "mlflow"])
    assert f"{door}?next=%2F%23%2Fexperiments%2F7%2Fruns%2F0123abcd" in adas.get(page).content.decode()


def test_an_endpoint_opens_at_the_page_that_it_has_for_people(deployment, adas):
    place = {"label": "api", "host": "127.0.0.1", "port": 9, "healthy": True}
    Deployment.objects.update(status=Status.RUNNING, endpoints=[place])
    page, door = reverse("deployment", args=[deployment.pk]), reverse("open-endpoint", args=[deployment.pk, "api"])
    assert f'href="{door}"' in adas.get(page).content.decode()
    Deployment.objects.update(api_document={"swagger": "2.0"})
    assert f'href="{door}?next=/api"' in adas.get(page).content.decode()


def test_a_training_is_started_while_mlflow_installs_itself(site, digits, adas, settings, tmp_path):  # noqa: F811
    settings.MLFLOW_URL, settings.MLFLOW_DATA = "http://127.0.0.1:9", tmp_path
    (tmp_path / "state.json").write_text('{"state": "installing", "detail": "12 of 90 packages"}')

    page = adas.get(reverse("train", args=["digits"])).content.decode()
    adas.post(reverse("train", args=["digits"]))

    assert "12 of 90 packages" in page
    assert "Trainings run all the same" in page
    assert Deployment.objects.get().kind == "batch"
