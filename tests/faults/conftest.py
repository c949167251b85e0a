"""A site of real processes around a local datacenter of the test's own, which may be killed too."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from django.db import connection

from datacenters.models import Cluster
from datacenters.services import refresh
from jobs.models import Deployment
from jobs.requests import DeployRequest, ResourceRequest
from tests import services
from tests.agents import Agent, start_local_agent
from tests.fake_modules import make_module
from tests.unit.jobs.conftest import asset_of

from .proxy import Proxy, a_proxy
from .site import Site


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that other uids may pass through (pytest's own are closed to them)."""
    folder = Path(tempfile.mkdtemp(prefix="serai-faults-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def agent(place) -> Iterator[Agent]:
    agent = start_local_agent(place / "agent")
    yield agent
    agent.stop_tasks_and_end()


@pytest.fixture
def proxy(agent) -> Iterator[Proxy]:
    """In front of the agent; honest until it is told otherwise."""
    with a_proxy(agent.address) as proxy:
        yield proxy


@pytest.fixture
def cluster(transactional_db, agent) -> Cluster:
    """The agent as Serai knows it."""
    return registered(agent.address, agent.token)


@pytest.fixture
def doubtful_cluster(transactional_db, agent, proxy) -> Cluster:
    """The agent, with the proxy between it and Serai."""
    return registered(proxy.address, agent.token)


def registered(address: str, token: str) -> Cluster:
    cluster = Cluster.objects.create(name="local", address=address, token=token, local=True)
    assert refresh(cluster), Cluster.objects.get().problem
    return cluster


@pytest.fixture
def site(transactional_db, place, settings, monkeypatch) -> Iterator[Site]:
    """No process runs yet: ``site.worker()``, ``site.watcher()``, ``site.web()``."""
    data = place / "data"
    data.mkdir(mode=0o700)
    settings.SERAI_DATA = data
    site = Site(data)
    yield site
    site.end()
    connection.close()


@pytest.fixture(params=["files", "redis"])
def each_broker(request, site) -> Iterator[Site]:
    """The site with either broker."""
    if request.param == "files":
        yield site
        return
    with services.redis() as url:
        site.broker = url
        yield site
        site.end()


@pytest.fixture
def module(place, transactional_db) -> Callable[..., str]:
    """A module's slug: ``module("crashes", serve=CRASHES)``."""

    def make(slug: str, **behaviour: object) -> str:
        asset_of(slug, str(make_module(place / "modules" / slug, **behaviour)))
        return slug

    return make


@pytest.fixture
def ask(ada) -> Callable[..., DeployRequest]:
    """A small request of Ada's for a module."""

    def make(slug: str, **changes: object) -> DeployRequest:
        small = ResourceRequest(cpu_cores=0.1, memory_mb=150, disk_mb=150)
        return DeployRequest(slug, slug.title(), ada.personal_project.slug, resources=small, **changes)

    return make


@contextmanager
def mounted(folder: Path, megabytes: int) -> Iterator[None]:
    """A disk of this size at this folder; skips where mounting is not allowed."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=711", "none", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(file: Path, left: int = 0) -> None:
    """Take all room of this disk but so many bytes."""
    with file.open("wb", buffering=0) as filler, suppress(OSError):
        while filler.write(b"x" * 65_536):
            pass
    os.truncate(file, file.stat().st_size - left)


def verbs(deployment: Deployment) -> list[str]:
    return list(deployment.events.values_list("verb", flat=True))
