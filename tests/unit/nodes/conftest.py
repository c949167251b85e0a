"""One machine of the site with two jobs on it: a deployment of Ada's project, and somebody else's."""

import pytest
from django.test import Client
from django.utils import timezone

from datacenters.models import Node
from jobs import services
from jobs.models import Deployment, Status
from tests.unit.projects.conftest import ask, bob, digits, engine, grace, site, vera, who

__all__ = ["ask", "bob", "digits", "engine", "grace", "site", "vera", "who"]


def holds(job_id: str, *, cores: float, memory_mb: int, gpus: int = 0) -> dict[str, object]:
    devices = {"Tesla T4": gpus} if gpus else {}
    sizes = {"cpu_mhz": int(cores * 1_000), "memory_mb": memory_mb, "disk_mb": 1_000, "devices": devices}
    return {"allocation_id": f"of {job_id}", "job_id": job_id, **sizes}


@pytest.fixture
def running(engine, site, digits, ask, ada) -> Deployment:
    """Of the shared project, on the node."""
    deployment = services.deploy(ask(project="engine", title="My digits"), owner=ada)
    now = timezone.now()
    Deployment.objects.filter(pk=deployment.pk).update(
        status=Status.RUNNING, datacenter=site, started=now, submitted=now
    )
    return Deployment.objects.get(pk=deployment.pk)


@pytest.fixture
def node(site, running) -> Node:
    node = Node.objects.get()
    node.held = [
        holds(running.job_id, cores=0.5, memory_mb=300),
        holds("strangers", cores=1, memory_mb=2_000, gpus=1),
    ]
    group = {"vendor": "nvidia", "kind": "gpu", "model": "Tesla T4", "count": 2, "healthy": 2, "used": 1}
    node.devices = [{**group, "memory_mb": 15_360, "attributes": {}}]
    node.used_cpu_mhz, node.used_memory_mb = 1_500, 2_300
    node.driver_health = [
        {"name": "docker", "healthy": False, "description": "Failed to connect to docker daemon"},
        {"name": "raw_exec", "healthy": True, "description": "Healthy"},
    ]
    node.meta = {"serai_python": "/usr/bin/python3"}
    node.save()
    return node


@pytest.fixture
def read(who):
    """A page as somebody reads it: ``read("ada", "/nodes/…/")``."""

    def page(name: str, address: str) -> str:
        client = Client()
        client.force_login(who(name))
        answer = client.get(address)
        assert answer.status_code == 200, answer.status_code
        return answer.content.decode().replace("&#x27;", "'")

    return page
