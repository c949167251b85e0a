"""A real MLflow server, as Serai starts it; one for all tests of a run."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from accounts.models import Project
from datacenters.models import Cluster, Datacenter
from jobs.models import Deployment, Sweep
from tests.system.stack import ROOT, free_port, wait_for


@pytest.fixture(scope="session")
def mlflow_server() -> Iterator[tuple[str, Path]]:
    """Its address, and the folder with its administrator's password."""
    with tempfile.TemporaryDirectory(prefix="serai-mlflow-") as data:
        url = f"http://127.0.0.1:{free_port()}"
        environment = {**os.environ, "SERAI_DATA": data, "SERAI_PORT": "8000", "MLFLOW_URL": url}
        command = [sys.executable, "-m", "dashboard.stack.mlflow"]
        log = Path(data) / "log"
        with log.open("w") as output:
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
        try:
            wait_for(lambda: answers(url) or process.poll() is not None, 240, log.read_text)
            assert process.poll() is None, log.read_text()
            yield url, Path(data) / "mlflow"
        finally:
            process.terminate()
            process.wait(20)


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=2).is_success
    except httpx.HTTPError:
        return False


@pytest.fixture
def mlflow(mlflow_server, settings):
    settings.MLFLOW_URL, settings.MLFLOW_DATA = mlflow_server


@pytest.fixture
def no_mlflow(settings, tmp_path):
    """One that is part of the installation but down."""
    settings.MLFLOW_URL, settings.MLFLOW_DATA = "http://127.0.0.1:9", tmp_path
    (tmp_path / "admin_password").write_text("never asked for")


@pytest.fixture
def here(db) -> Datacenter:
    cluster = Cluster.objects.create(name="local", address="http://127.0.0.1:9", local=True)
    return Datacenter.objects.create(name="local", nomad_name="local", cluster=cluster)


@pytest.fixture
def elsewhere(db) -> Datacenter:
    cluster = Cluster.objects.create(name="far", address="https://far.example.org")
    return Datacenter.objects.create(name="far", nomad_name="dc1", cluster=cluster)


@pytest.fixture
def training_in():
    def training(project: Project, datacenter: Datacenter) -> Deployment:
        owner = project.memberships.get().user
        return Deployment.objects.create(
            project=project,
            owner=owner,
            datacenter=datacenter,
            title="digits",
            asset_slug="digits",
            kind="batch",
            request={},
        )

    return training


@pytest.fixture
def sweep_in(here, training_in):
    """A sweep of two trainings that were sent."""

    def make(project) -> Sweep:
        owner = project.memberships.get().user
        sweep = Sweep.objects.create(
            project=project, owner=owner, asset_slug="digits", title="Wide", request={}, variants=[{}, {}]
        )
        for place in range(2):
            training = training_in(project, here)
            Deployment.objects.filter(pk=training.pk).update(sweep=sweep, sweep_place=place)
        return sweep

    return make
