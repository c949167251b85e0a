import pytest

from dashboard import parts
from datacenters.models import Cluster
from jobs import heartbeat

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def data(settings, tmp_path):
    settings.SERAI_DATA = tmp_path
    settings.MLFLOW_DATA = tmp_path / "mlflow"
    settings.MLFLOW_URL = ""
    settings.SERAI_LOCAL_URL = "http://127.0.0.1:9"
    settings.REDIS_URL = ""
    return tmp_path


@pytest.fixture
def local():
    return Cluster.objects.create(name="local", address="http://127.0.0.1:9", local=True, reached="2026-11-21T10:00Z")


def test_until_the_local_datacenter_was_reached_once_there_is_no_place_to_deploy(client):
    answer = client.get("/healthz")
    assert answer.status_code == 503
    assert answer.json()["parts"]["local"]["state"] == "starting"


@pytest.mark.usefixtures("local")
def test_anyone_may_ask_and_a_part_still_starting_is_no_error(client):
    answer = client.get("/healthz")
    assert answer.status_code == 200
    assert {name: part["state"] for name, part in answer.json()["parts"].items()} == {
        "database": "up",
        "broker": "up",
        "worker": "starting",
        "watcher": "starting",
        "local": "up",
        "mlflow": "off",
        "homes": "off",
    }


def test_a_worker_that_shows_signs_of_life_is_up(client):
    heartbeat.beat("worker")
    assert client.get("/healthz").json()["parts"]["worker"]["state"] == "up"


def test_a_broker_that_does_not_answer_makes_it_unavailable(client, settings):
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    parts._redis.cache_clear()
    answer = client.get("/healthz")
    parts._redis.cache_clear()
    assert answer.status_code == 503
    assert answer.json()["parts"]["broker"] == {"state": "down", "detail": "Redis does not answer."}


def test_the_local_datacenter_is_as_the_watcher_last_saw_it(client, local):
    assert client.get("/healthz").json()["parts"]["local"]["state"] == "up"
    local.unreachable_since, local.problem = "2026-11-21T10:42Z", "It does not answer."
    local.save()
    answer = client.get("/healthz")
    assert answer.status_code == 200  # what is accepted waits for it
    assert answer.json()["parts"]["local"] == {"state": "down", "detail": "It does not answer."}


@pytest.mark.usefixtures("local")
def test_what_mlflow_is_at_while_it_installs_is_told(client, settings, data):
    settings.MLFLOW_URL = "http://127.0.0.1:9"
    (data / "mlflow").mkdir()
    (data / "mlflow" / "state.json").write_text('{"state": "installing", "detail": "Downloading pyarrow (47.7MiB)"}')
    answer = client.get("/healthz")
    assert answer.status_code == 200
    assert answer.json()["parts"]["mlflow"] == {"state": "installing", "detail": "Downloading pyarrow (47.7MiB)"}


def test_a_tracking_server_elsewhere_that_is_down_is_down(client, settings):
    settings.MLFLOW_URL = "http://127.0.0.1:9"
    assert client.get("/healthz").json()["parts"]["mlflow"]["state"] == "down"
