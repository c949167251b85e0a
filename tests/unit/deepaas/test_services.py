"""What is written down of running modules, and the samples they ship."""

import json
from pathlib import Path

import pytest

from accounts.models import User
from jobs import health
from jobs.deepaas import client, services
from jobs.deepaas.document import Operation, parse
from jobs.deepaas.samples import samples_of
from jobs.models import Deployment, Status
from marketplace.models import Asset

from . import load
from .test_client import PREDICT, module

TRAIN = "/v2/models/flower_namer/train/"


@pytest.fixture
def deployment(ada: User) -> Deployment:
    return Deployment.objects.create(
        project=ada.personal_project,
        owner=ada,
        asset_slug="flowers",
        title="Flowers",
        request={},
        status=Status.RUNNING,
        healthy=True,
        api_document=load("swagger2"),
    )


@pytest.fixture
def at(deployment: Deployment):
    def put(endpoint) -> Deployment:
        row = {"label": endpoint.label, "host": endpoint.host, "port": endpoint.port, "healthy": True}
        deployment.endpoints = [{**row, "label": "monitor", "port": 1}, row]
        deployment.save()
        return deployment

    return put


@pytest.fixture
def operation() -> Operation:
    found = parse(load("swagger2")).predict
    assert found
    return found


@pytest.fixture(autouse=True)
def _short(settings) -> None:
    settings.PREDICT_SECONDS = 0.3


def test_a_document_is_kept_with_the_deployment(at) -> None:
    answers = {"/swagger.json": (200, "application/json", json.dumps(load("swagger2")).encode())}
    with module(answers=answers) as endpoint:
        deployment = at(endpoint)
        Deployment.objects.update(api_document=None)
        api = services.remember_document(deployment)
    assert api
    assert api.predict
    deployment.refresh_from_db()
    assert deployment.api_document == load("swagger2")


def test_what_was_kept_stays_when_nothing_answers(deployment) -> None:
    assert services.remember_document(deployment) is None
    deployment.refresh_from_db()
    assert services.api_of(deployment) == parse(load("swagger2"))


def test_predictions_that_do_not_come_back_make_it_unhealthy_until_one_does(at, operation) -> None:
    with module(silent={PREDICT}) as endpoint:
        deployment = at(endpoint)
        for _ in range(2):
            with pytest.raises(client.Silent):
                services.predict(deployment, operation, {}, {})
    deployment.refresh_from_db()
    assert deployment.healthy is False
    assert "may be stuck" in deployment.reason
    assert deployment.events.filter(verb="became unhealthy").count() == 1
    health.note(deployment, health.Health(True))
    deployment.refresh_from_db()
    assert deployment.healthy is False, "its server answers, but nothing more is known of its predictions"
    with module() as endpoint:
        services.predict(at(endpoint), operation, {}, {})
    deployment.refresh_from_db()
    assert (deployment.healthy, deployment.reason) == (True, "")


def test_a_training_that_holds_up_predictions_is_named(at, operation) -> None:
    trainings = {TRAIN: (200, "application/json", b'[{"status": "running"}]')}
    with module(answers=trainings, silent={PREDICT}) as endpoint, pytest.raises(client.Silent, match="training runs"):
        services.predict(at(endpoint), operation, {}, {})
    assert Deployment.objects.get().healthy is True


def test_without_an_endpoint_nothing_is_asked(deployment, operation) -> None:
    with pytest.raises(client.OutOfReach):
        services.predict(deployment, operation, {}, {})


def module_folder(folder: Path, rows: object) -> Asset:
    (folder / "m/samples").mkdir(parents=True)
    (folder / "m/samples/predict.json").write_text(json.dumps(rows))
    (folder / "m/samples/seven.png").write_bytes(b"png")
    (folder / "secret").write_text("secret")
    return Asset(slug="m", package=str(folder / "m"))


def test_samples_come_with_their_files(tmp_path: Path) -> None:
    asset = module_folder(tmp_path, [{"title": "A seven", "arguments": {"top": 1}, "files": {"image": "seven.png"}}])
    [sample] = samples_of(asset)
    assert (sample.title, sample.values) == ("A seven", {"top": 1})
    assert sample.files["image"].read_bytes() == b"png"


def test_samples_reach_no_other_file(tmp_path: Path) -> None:
    names = ["../../secret", str(tmp_path / "secret"), "link.png", "missing.png"]
    asset = module_folder(tmp_path, [{"files": {"image": name}} for name in names])
    (tmp_path / "m/samples/link.png").symlink_to(tmp_path / "secret")
    assert samples_of(asset) == ()


@pytest.mark.parametrize("rows", [None, {}, "x", [3], [{"files": 3, "arguments": "x"}]])
def test_odd_samples_do_no_harm(tmp_path: Path, rows: object) -> None:
    assert all(sample.values == {} for sample in samples_of(module_folder(tmp_path, rows)))


def test_modules_elsewhere_have_no_samples() -> None:
    assert samples_of(Asset(slug="m", package="https://example.org/m.git")) == ()
    assert samples_of(None) == ()
