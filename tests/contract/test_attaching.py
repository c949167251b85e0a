"""Storages attached to a whole deployment, over the embedded agent and over a real Nomad."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from accounts.models import User
from datacenters.models import Cluster
from datacenters.services import refresh
from jobs.models import Status
from jobs.requests import DeployRequest, ResourceRequest
from tests import storages
from tests.fake_modules import make_module
from tests.unit.jobs.attached import OBEYS, Task, asked, left_behind, linked, mounts
from tests.unit.jobs.conftest import World, asset_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db,
    pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="there is no FUSE here"),
]


@pytest.fixture
def server(tmp_path):
    server = storages.serve("webdav", tmp_path / "dav")
    yield server
    server.stop()


@pytest.fixture
def world(agent, ada, settings, tmp_path):
    settings.SERAI_DATA, settings.SERAI_TRUSTED_HOSTS = tmp_path, ["127.0.0.1"]
    settings.STORAGE_COPY_SECONDS, settings.STORAGE_TIMEOUT_SECONDS = 1, 10
    # As the local one, since the module is a folder of this machine.
    cluster = Cluster.objects.create(name="lab", address=agent.address, token=agent.token, local=True)
    assert refresh(cluster), Cluster.objects.get(pk=cluster.pk).problem
    User.objects.filter(pk=ada.pk).update(is_superuser=True)
    resources = ResourceRequest(cpu_cores=0.2, memory_mb=200, disk_mb=400)
    plain = DeployRequest(asset="", title="Obeys", project=ada.personal_project.slug, resources=resources)
    world = World(cluster, ada, lambda slug, **changes: replace(plain, asset=slug, **changes), tmp_path)
    yield world
    world.clear()


@pytest.mark.parametrize("mode", ["mount", "copy"])
def test_a_storage_is_attached_written_and_left_without_a_trace(world, agent, server, ada, tmp_path, mode):
    folder: Path = server.files / "in"
    folder.mkdir()
    (folder / "a").write_text("from outside")
    asset_of("obeys", str(make_module(tmp_path / "obeys", serve=OBEYS)))
    row = asked(linked(ada, server), mode=mode)
    task = Task(world, world.until(world.again("obeys", storages=(row,)), Status.RUNNING, 120))
    assert task.does("print(open(here + '/photos/a').read())") == "from outside"
    assert task.does("open(here + '/photos/b', 'w').write('from the task')") == ""
    task.stop(120)
    assert (folder / "b").read_text() == "from the task"
    assert mounts(agent) == []
    assert left_behind(agent, task.deployment) == []


def test_a_wrong_password_fails_the_start_with_a_sentence(world, agent, server, ada, tmp_path):
    asset_of("obeys", str(make_module(tmp_path / "obeys", serve=OBEYS)))
    wrong = asked(linked(ada, server, password="forgotten"))
    deployment = world.until(world.again("obeys", storages=(wrong,)), Status.FAILED, 120)
    assert "does not take its user name, password or key" in deployment.reason
