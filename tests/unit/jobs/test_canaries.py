"""Secrets as canaries: where they must arrive, and all the places where they must never be seen."""

import hashlib
import json
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from django.core import serializers
from django.db import connection
from django.test import Client

from accounts.models import ApiToken, AuditEvent
from datacenters.jobspec import JobKind
from datacenters.local.processes import processes
from datacenters.models import Cluster
from jobs import archive, submission
from jobs.models import Deployment, DeploymentEvent, Status, TrackingAccount

pytestmark = pytest.mark.django_db

PASSWORD = "canary-of-the-tracking-account"
CLUSTER_TOKEN = "canary-of-the-cluster"
# Tells that the password came, and not what it is.
TRAINS = """
import hashlib, os, sys
print("got", hashlib.sha256(os.environ["MLFLOW_TRACKING_PASSWORD"].encode()).hexdigest(), flush=True)
print(*sorted(name for name in os.environ if not name.startswith("NOMAD_")), file=sys.stderr, flush=True)
with open(sys.argv[1].removeprefix("--deepaas_method_output="), "w") as file:
    file.write("{}")
"""


@pytest.fixture
def trained(world, ada, settings):
    """A training that got its project's password for MLflow, which is down."""
    settings.MLFLOW_URL = "http://127.0.0.1:9"
    TrackingAccount.objects.create(project=ada.personal_project, username="project-ada", password=PASSWORD)
    training = world.deploy(kind=JobKind.BATCH, train=TRAINS)
    return world.until(training, Status.COMPLETED)


def test_the_secret_reaches_its_task_whose_environment_is_clean(trained):
    told = archive.read(trained, "main", "stdout").decode()
    assert f"got {hashlib.sha256(PASSWORD.encode()).hexdigest()}" in told
    names = archive.read(trained, "main", "stderr").decode().split()
    assert "MLFLOW_TRACKING_PASSWORD" in names
    assert not [
        name for name in names if name.startswith(("SERAI_SECRET", "DATABASE", "REDIS", "DJANGO", "SERAI_DATA"))
    ]


def test_the_datacenter_shows_it_nowhere(trained, world, local_agent):
    """What Nomad's pages and any token that may read jobs would show."""
    where = {"namespace": trained.namespace}
    with local_agent.client(timeout=10) as http:
        paths = [f"job/{trained.job_id}", f"job/{trained.job_id}/allocations", f"job/{trained.job_id}/evaluations"]
        paths += [f"allocation/{trained.allocation_id}", "jobs", "allocations", "evaluations", "nodes", "namespaces"]
        shown = "".join(http.get(path, params=where).text for path in paths)
        shown += events_of(http)
    assert trained.job_id in shown
    assert PASSWORD not in shown
    assert local_agent.token not in shown
    assert PASSWORD not in local_agent.log.read_text()


def events_of(http: httpx.Client) -> str:
    """All that the stream still has; it never ends by itself."""
    told = []
    with suppress(httpx.ReadTimeout), http.stream("GET", "event/stream?namespace=*&index=1", timeout=2) as stream:
        told.extend(stream.iter_text())
    return "".join(told)


def test_serai_shows_it_nowhere(trained, ada, caplog):
    client = Client()
    client.force_login(ada)
    _token, plain = ApiToken.issue(ada, "laptop")
    bearer = {"Authorization": f"Bearer {plain}"}
    pages = ["", "spec/", "log/", "log.txt", "timeline/", "outcome/", "status/", "usage.json"]
    shown = "".join(client.get(f"/deployments/{trained.pk}/{page}").content.decode() for page in pages)
    for route in ("", "/events", "/logs", "/logs?stream=stderr"):
        shown += client.get(f"/api/v1/deployments/{trained.pk}{route}", headers=bearer).content.decode()
    shown += serializers.serialize("json", [*DeploymentEvent.objects.all(), *AuditEvent.objects.all()])
    shown += client.get("/api/v1/audit", headers=bearer).content.decode() + caplog.text
    assert str(trained.pk) in shown
    assert PASSWORD not in shown
    assert plain not in shown


def test_at_rest_it_is_encrypted(trained, world, settings):
    """Neither the database nor any file of Serai's holds it; the agent's own variables are the agent's."""
    rows = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            rows[table] = cursor.fetchall()
    assert rows["jobs_trackingaccount"]
    assert PASSWORD not in str(rows)
    assert Cluster.objects.get().token not in str(rows)
    files = [file for file in Path(settings.SERAI_DATA).rglob("*") if file.is_file()]
    assert any(file.name == "main.stdout" for file in files)
    assert not [file for file in files if PASSWORD.encode() in file.read_bytes()]


def test_the_tasks_files_hold_it_in_its_secrets_folder_alone(trained, local_agent):
    folder = local_agent.tasks / "alloc" / trained.allocation_id
    holding = [file for file in folder.rglob("*") if file.is_file() and PASSWORD.encode() in file.read_bytes()]
    assert [str(file.relative_to(folder)) for file in holding] == ["main/secrets/serai.env"]
    assert holding[0].stat().st_mode & 0o077 == 0
    runs = local_agent.tasks.parent / "data" / "runs"
    assert not [file for file in runs.rglob("*") if file.is_file() and PASSWORD.encode() in file.read_bytes()]


def test_no_command_line_holds_it(world, ada, settings):
    settings.MLFLOW_URL = "http://127.0.0.1:9"
    TrackingAccount.objects.create(project=ada.personal_project, username="project-ada", password=PASSWORD)
    world.until(world.deploy(), Status.RUNNING)
    lines = b"\n".join(command_line(process.pid) for process in processes())
    assert b"run_module.py" in lines
    assert PASSWORD.encode() not in lines


def command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_what_goes_wrong_is_told_without_the_clusters_token(deployed, site, caplog):
    """Nobody answers at the site's address; why not is told to people, and written to the log."""
    Cluster.objects.update(token=CLUSTER_TOKEN, address="http://127.0.0.1:9")
    submission.submit(deployed.pk)
    found = Deployment.objects.get(pk=deployed.pk)
    assert found.status == Status.QUEUED
    assert found.evidence["error"]
    told = serializers.serialize("json", [found, *DeploymentEvent.objects.all()])
    assert CLUSTER_TOKEN not in told + caplog.text + json.dumps(found.evidence)
    assert CLUSTER_TOKEN not in repr(Cluster.objects.get())
