"""Annotations → a dataset in the storage, by CVAT's own client over a stand-in of recorded calls (``cvat_double``)."""

import pytest

from dashboard.forms import DeployForm
from datacenters.jobspec import JobKind
from jobs import services, tools
from jobs.compilers import CannotCompile, compile_deployment
from jobs.models import Deployment, Status, as_json
from jobs.refusals import RequestRefused
from jobs.requests import DeployRequest
from jobs.tools import mirror
from marketplace.models import Asset
from tests import cvat_double

pytestmark = pytest.mark.django_db


@pytest.fixture
def export(db) -> Asset:
    mirror.ensure()
    return Asset.objects.get(slug="cvat-export")


@pytest.fixture
def server(export, ada):
    """Ada's annotation server, as its row stands while it runs; it answers at the stand-in's port."""

    def make(port: int = 1, **changes) -> Deployment:
        values = {
            "project": ada.personal_project,
            "owner": ada,
            "asset": Asset.objects.get(slug="cvat"),
            "asset_slug": "cvat",
            "asset_kind": "tool",
            "title": "Birds",
            "request": as_json(DeployRequest("cvat", "Birds", "ada")),
            "status": Status.RUNNING,
            "endpoints": [{"label": "web", "host": "127.0.0.1", "port": port, "healthy": True}],
        }
        return Deployment.objects.create(**{**values, **changes})

    return make


def options(annotating: Deployment, **changes) -> dict:
    return {"server": str(annotating.pk), "what": "task", "number": 7, "format": "COCO 1.0", "images": True, **changes}


def asked(ask, annotating: Deployment, **changes):
    return ask("cvat-export", kind=JobKind.BATCH, memory_mb=400, options=options(annotating, **changes))


# ── Asked for ────────────────────────────────────────────────────────────────────────────────────
def test_it_is_a_batch_though_nobody_says_so(site, export, server, ada, client, bearer):
    body = {"tool": "cvat-export", "options": options(server())}
    answer = client.post("/api/v1/deployments", body, content_type="application/json", headers=bearer(ada))
    assert (answer.status_code, answer.json()["kind"]) == (201, "batch")


def test_as_a_service_it_is_refused_with_the_right_word(site, export, server, ask, ada):
    request = ask("cvat-export", kind=JobKind.SERVICE, memory_mb=400, options=options(server()))
    with pytest.raises(RequestRefused, match="its kind is “batch”"):
        services.deploy(request, owner=ada)


def test_it_takes_no_script(site, export, ada):
    form = DeployForm(None, owner=ada, asset=export, kind="batch")
    assert "script" not in form.fields


@pytest.mark.parametrize("broken", ["stopped", "not of the project", "another tool", "no id", "deleted"])
def test_the_server_must_be_one_that_runs_in_the_project(site, export, server, ask, ada, eve, broken):
    changes = {
        "stopped": {"status": Status.STOPPED},
        "not of the project": {"project": eve.personal_project, "owner": eve},
        "another tool": {"asset": Asset.objects.get(slug="ide")},
        "deleted": {"deleted": export.imported},
    }.get(broken, {})
    request = asked(ask, server(**changes), **({"server": "none of these"} if broken == "no id" else {}))
    with pytest.raises(RequestRefused) as refused:
        services.deploy(request, owner=ada)
    (error,) = refused.value.errors
    assert error.pointer == "#/options/server"
    assert "“Image annotation (CVAT)” that runs in this project" in error.detail


def test_a_server_that_stopped_meanwhile_is_said_when_it_is_sent(site, export, server, ask, ada):
    annotating = server()
    deployment = services.deploy(asked(ask, annotating), owner=ada)
    Deployment.objects.filter(pk=annotating.pk).update(status=Status.STOPPED)
    with pytest.raises(CannotCompile, match="that runs in this project"):
        compile_deployment(deployment)


def test_the_servers_password_goes_by_the_variable_alone(site, export, server, ask, ada):
    annotating = server(4711)
    spec, secrets = compile_deployment(services.deploy(asked(ask, annotating), owner=ada))
    (main,) = [task for task in spec.tasks if task.name == "main"]
    assert secrets["CVAT_PASSWORD"] == tools.secrets_of(annotating)["CVAT_PASSWORD"]
    assert main.env["CVAT_URL"] == "http://127.0.0.1:4711"
    assert secrets["CVAT_PASSWORD"] not in str(spec)


def test_the_page_of_a_running_server_leads_to_the_form_filled_in(site, export, server, ada, client):
    annotating = server()
    client.force_login(ada)
    address = f"/modules/cvat-export/deploy/?option-server={annotating.pk}&amp;project=ada"
    assert address in client.get(f"/deployments/{annotating.pk}/").content.decode()
    page = client.get(address.replace("&amp;", "&")).content.decode()
    assert f'value="{annotating.pk}"' in page
    Deployment.objects.update(status=Status.STOPPED)
    assert address not in client.get(f"/deployments/{annotating.pk}/").content.decode()


# ── Done, in the local datacenter ────────────────────────────────────────────────────────────────
@pytest.fixture
def exports(world, export, server, ask, ada):
    """``exports(cvat, number=7)``: the export as it ended, over the stand-in."""

    def run(cvat: cvat_double.Cvat, password: str = "", **changes) -> Deployment:
        annotating = server(cvat.port)
        cvat.password = password or tools.secrets_of(annotating)["CVAT_PASSWORD"]
        deployment = services.deploy(asked(ask, annotating, **changes), owner=ada)
        world.deployments.append(deployment)
        return world.until(deployment, lambda row: row.status in (Status.COMPLETED, Status.FAILED), seconds=110)

    return run


def log_of(world, deployment: Deployment) -> str:
    read = (
        world.adapter.log(deployment.allocation_id, deployment.namespace, "main", stream).decode()
        for stream in ("stdout", "stderr")
    )
    return "".join(read)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_task_becomes_a_dataset_in_the_storage_and_what_goes_wrong_is_said(world, exports, local_agent):
    with cvat_double.running("") as cvat:
        done = exports(cvat, format="YOLO 1.1", images=False)
        assert done.status == Status.COMPLETED, log_of(world, done)
        assert cvat.exports == [{"format": ["YOLO 1.1"], "save_images": ["False"], "location": ["local"]}]
        (folder,) = local_agent.tasks.glob("storage/ada/cvat-export/annotations/task-7-yolo-1-1")
        assert (folder / "images/1.jpg").read_text() == "pixels"
        cvat.files = {"other.txt": "made anew"}
        exports(cvat, format="YOLO 1.1")
        assert [path.name for path in folder.iterdir()] == ["other.txt"]

        missing = exports(cvat, number=8)
        assert missing.status == Status.FAILED
        assert "has no task 8" in log_of(world, missing)
        assert "does not take this deployment's password" in log_of(world, exports(cvat, password="another"))
        cvat.fails = "No media data found"
        assert "No media data found" in log_of(world, exports(cvat))
        assert [path.name for path in folder.iterdir()] == ["other.txt"]  # what was there is still whole
        assert len(list(folder.parent.iterdir())) == 1
