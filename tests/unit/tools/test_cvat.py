"""CVAT's job by value, what its parts do, and what people are told. No image of it was ever pulled here.

Its job is read by a real Nomad in ``tests/contract/test_tools.py``; the keeper and the page's way are tried for real in
``test_cvat_parts.py``.
"""

import base64
import json
import re
from pathlib import Path

import pytest

from accounts.models import ApiToken
from dashboard.forms import DeployForm
from dashboard.gateway.access import Credentials, find
from dashboard.gateway.places import Place
from datacenters.jobspec import Lifecycle
from datacenters.models import Datacenter, Node
from datacenters.nomad import GUARDED
from datacenters.nomad.render import job_json
from jobs import services, tools
from jobs.compilers import compile_deployment
from jobs.models import Deployment, Status, Storage
from jobs.requests import StorageRequest
from jobs.tools import mirror
from marketplace.models import Asset

pytestmark = pytest.mark.django_db
GOLDEN = Path(__file__).parent / "golden" / "cvat.json"


@pytest.fixture
def cvat(db) -> Asset:
    mirror.ensure()
    return Asset.objects.get(slug="cvat")


@pytest.fixture
def with_containers(site) -> Datacenter:
    site.cluster.local = False
    site.cluster.save()
    Node.objects.update(drivers=["docker"], memory_mb=16_000)
    Datacenter.objects.update(offers_containers=True, offers_packages=False, copies_storages=True, mounts_storages=True)
    return Datacenter.objects.get()


@pytest.fixture
def deployed(with_containers, cvat, ask, ada) -> Deployment:
    options = {option.name: option.default for option in tools.tool_of(cvat).options}
    asked = ask("cvat", title="Birds", cpu_cores=2, memory_mb=6500, disk_mb=10_000, options=options)
    return Deployment.objects.with_parts().get(pk=services.deploy(asked, owner=ada).pk)


def rendered(deployment: Deployment) -> dict:
    """What the tool's file makes of the job: not what every job has, and not the files' contents."""
    spec, _secrets = compile_deployment(deployment)
    (group,) = json.loads(json.dumps(job_json(spec, GUARDED)).replace(str(deployment.pk), "ID"))["TaskGroups"]
    return {"Networks": group["Networks"], "Tasks": [_of_its_file(task) for task in group["Tasks"]]}


def _of_its_file(task: dict) -> dict:
    env = {name: value for name, value in task["Env"].items() if not name.startswith(("SERAI_", "PYTHONUNB"))}
    names = ("Name", "Driver", "Config", "Resources", "KillSignal", "KillTimeout", "Lifecycle")
    kept = {name: task[name] for name in names if name in task}
    files = [template["DestPath"] for template in task["Templates"]]
    return {**kept, "Env": env, "Templates": files, "Restarts": task["RestartPolicy"]["Attempts"]}


def test_its_job_is_as_it_was_read_and_approved(deployed):
    assert rendered(deployed) == json.loads(GOLDEN.read_text())


def test_what_runs_at_once_fits_one_ordinary_machine(deployed):
    spec, _secrets = compile_deployment(deployed)
    at_once = [task for task in spec.tasks if task.lifecycle is not Lifecycle.PRESTART]
    assert 6_000 <= sum(task.resources.memory_mb for task in at_once) <= 8_000
    assert sum(task.resources.cpu_cores for task in at_once) <= 2.01


def test_every_image_is_pinned_by_its_version(deployed):
    spec, _secrets = compile_deployment(deployed)
    for task in spec.tasks:
        assert re.search(r":v?\d+(\.\d+)*(-alpine)?(@sha256:[0-9a-f]{64})?$", task.image), task.image


def test_its_secrets_are_in_no_job_and_each_task_gets_its_own_alone(deployed):
    spec, secrets = compile_deployment(deployed)
    assert sorted(secrets) == ["CVAT_PASSWORD", "CVAT_POSTGRES_PASSWORD", "DJANGO_SECRET_KEY"]
    sent = json.dumps(job_json(spec, GUARDED))
    assert not [name for name, value in secrets.items() if value in sent]
    given = {task.name: task.secrets for task in spec.tasks if task.secrets}
    assert given["database"] == given["keeper"] == ("CVAT_POSTGRES_PASSWORD",)
    assert set(given) == {"database", "keeper", "server", "utils", "worker"}


def test_the_database_outlives_the_keeper_that_makes_the_last_snapshot(deployed):
    spec, _secrets = compile_deployment(deployed)
    order = {task.name: task.lifecycle for task in spec.tasks}
    assert order["database"] is Lifecycle.PRESTART_SIDECAR  # Nomad ends it after all main tasks
    assert order["keeper"] is Lifecycle.MAIN


def test_an_attached_storage_is_seen_by_what_starts_after_it_is_there(with_containers, cvat, ask, ada):
    options = {option.name: option.default for option in tools.tool_of(cvat).options}
    values = {"address": {"url": "https://dav.example.org/ada", "user": "ada"}, "secrets": '{"pass": "hidden"}'}
    storage = Storage.objects.create(project=ada.personal_project, kind="webdav", name="Photos", **values)
    attached = (StorageRequest(str(storage.pk), path="birds", target="photos"),)
    asked = ask("cvat", memory_mb=6500, options=options, storages=attached)
    spec, secrets = compile_deployment(services.deploy(asked, owner=ada))
    tasks = {task.name: task for task in spec.tasks}
    shown = {name for name, task in tasks.items() if "/storages" in [mount.target for mount in task.mounts]}
    assert {"keeper", "server"} <= shown
    assert not {"folders", "database"} & shown  # its folder is not made yet when these start
    assert tasks["keeper"].env["SERAI_STORAGES_DIR"] == "/storages"
    assert not [
        task for task in spec.tasks if not task.operator and "hidden" in [secrets[name] for name in task.secrets]
    ]


def test_only_its_page_is_open_and_the_gateway_signs_in(deployed, ada):
    spec, secrets = compile_deployment(deployed)
    assert [(port.label, port.inside) for port in spec.ports] == [("web", 8000)]
    assert spec.own_network
    deployed.endpoints = [{"label": "web", "host": "10.0.0.7", "port": 21000, "healthy": True}]
    deployed.status = Status.RUNNING
    deployed.save()
    _token, token = ApiToken.issue(ada, "test")
    upstream = find(Credentials(token=token), Place(str(deployed.pk), "web"))
    kind, _space, value = upstream.login.authorization.decode().partition(" ")
    assert kind == "Basic"
    assert base64.b64decode(value).decode() == f"serai:{secrets['CVAT_PASSWORD']}"


# ── What people are told ─────────────────────────────────────────────────────────────────────────
def test_where_no_datacenter_offers_containers_the_form_says_why(site, cvat, ada, client):
    form = DeployForm.from_api(_body(), owner=ada)
    assert form.is_valid(), form.problems()
    with pytest.raises(services.RequestRefused, match="needs containers, which this datacenter does not offer"):
        services.deploy(form.deploy_request(), owner=ada)
    client.force_login(ada)
    page = client.get("/modules/cvat/").content.decode()
    assert "a Nomad cluster whose machines have Docker" in page


def test_its_page_and_its_form_say_that_nobody_has_run_its_images(with_containers, cvat, ada, client):
    client.force_login(ada)
    for path in ("/modules/cvat/", "/modules/cvat/deploy/"):
        assert "Not yet run with real images" in client.get(path).content.decode()


def _body() -> dict:
    lists = ("prefer", "exclude", "storages", "datasets")
    empty = dict.fromkeys(("module", "title", "project", "kind", "datacenter", "max_wait")) | {n: [] for n in lists}
    return {**empty, "tool": "cvat", "resources": {}, "options": {}, "arguments": {}}
