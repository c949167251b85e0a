"""A site with something in every room, so that each page has something to show."""

import uuid
from datetime import date, timedelta

from django.utils import timezone

from accounts import services
from accounts.models import AuditEvent, Role, User, create_person
from datacenters.models import Cluster, Datacenter, DatacenterSample, Node, NodeTest
from datacenters.node_tests.models import Outcome
from jobs.models import Deployment, DeploymentEvent, DeploymentKind, Status, Sweep, UsageSample, as_json
from jobs.requests import DeployRequest
from marketplace.models import Kind, Module, Source, SourceKind

# The newest deployments, whose pages the crawl looks at.
TOLD_FIRST = (Status.RUNNING, Status.FAILED)
GPU = {"vendor": "nvidia", "kind": "gpu", "model": "T4", "count": 2, "healthy": 2, "used": 1, "memory_mb": 15360}
TRAINS = {
    "swagger": "2.0",
    "paths": {
        "/v2/models/digits/train/": {
            "post": {
                "parameters": [
                    {"name": "epochs", "in": "query", "type": "integer", "minimum": 1, "default": 20},
                    {"name": "learning_rate", "in": "query", "type": "number", "default": 0.01},
                    {"name": "optimizer", "in": "query", "type": "string", "enum": ["adam", "sgd"], "default": "adam"},
                ]
            }
        }
    },
}
METADATA = {
    "libraries": ["scikit-learn"],
    "tasks": ["Image classification"],
    "categories": ["AI4 inference", "AI4 trainable"],
    "data-type": ["Image"],
    "tags": ["digits", "demo"],
    "resources": {"inference": {"cpu": 1, "memory_MB": 512, "storage_MB": 500}},
    "links": {"source_code": "https://example.org/digits"},
}


def furnish(owner: User) -> None:
    datacenter = _datacenter()
    module = _modules()
    for number, status in enumerate(sorted(Status, key=TOLD_FIRST.__contains__, reverse=True)):
        _deployment(owner, module, datacenter, status, number)
    _sweep(owner, module)
    _life_of_the_machine(owner, datacenter)
    AuditEvent.record(owner, "user.signed-in", owner)
    _project(owner)


def _sweep(owner: User, module: Module) -> None:
    """Of six trainings: two ended, one failed, three wait."""
    grid = [{"epochs": epochs, "learning_rate": rate} for epochs in (5, 10) for rate in (0.001, 0.01, 0.1)]
    request = as_json(DeployRequest(asset="digits", title="Digits", project=owner.personal_project.slug))
    sweep = Sweep.objects.create(
        project=owner.personal_project, owner=owner, asset=module, asset_slug=module.slug, title="How fast to learn",
        request=request, variants=grid, at_once=2, reason="The next training waits. You hold 20 of 20 deployments.",
    )  # fmt: skip
    statuses = (Status.COMPLETED, Status.COMPLETED, Status.FAILED)
    long_ago = timezone.now() - timedelta(days=3)
    for place, status in enumerate(statuses):
        Deployment.objects.create(
            project=owner.personal_project, owner=owner, asset=module, asset_slug=module.slug, sweep=sweep,
            sweep_place=place, title="Of a sweep", kind=DeploymentKind.BATCH, request=request, status=status,
            created=long_ago, exit_code=int(status == Status.FAILED), run_id=f"{place}a1b2c" if place else "",
            result={"result": {"output": {"test_accuracy": 0.9 + place / 100, "test_loss": 0.3 - place / 10}}},
        )  # fmt: skip


def _project(owner: User) -> None:
    """With somebody else in it."""
    project = services.create_project(owner, "Analytical Engine")
    services.add_member(project, owner, create_person("vera", full_name="Vera Rubin"), Role.VIEWER)


def _datacenter() -> Datacenter:
    cluster = Cluster.objects.create(
        name="local", address="http://127.0.0.1:4646", local=True, reached=timezone.now(), version="1.10.0"
    )
    datacenter = Datacenter.objects.create(
        name="local", cluster=cluster, nomad_name="dc1", title="This machine", offers_packages=True,
        simulated_devices=True,
    )  # fmt: skip
    Node.objects.create(
        id=uuid.uuid4(), datacenter=datacenter, name="caravan-1", ready=True, drivers=["raw_exec"], cpu_cores=8,
        cpu_mhz=20_000, memory_mb=32_000, disk_mb=200_000, used_cpu_mhz=6_000, used_memory_mb=9_000, devices=[GPU],
    )  # fmt: skip
    return datacenter


def _life_of_the_machine(owner: User, datacenter: Datacenter) -> None:
    """Who is on it, how it was tested, and how full the datacenter was for two days."""
    running = Deployment.objects.get(status=Status.RUNNING)
    sizes = {"cpu_mhz": 2_000, "memory_mb": 3_000, "disk_mb": 1_000}
    gpu = {"devices": {"T4": 1}}
    held = [
        {"allocation_id": "a1", "job_id": running.job_id, **sizes, **gpu},
        {"allocation_id": "a2", "job_id": "somebody-elses", **sizes, "devices": {}},
    ]
    drivers = [
        {"name": "docker", "healthy": False, "description": "Failed to connect to docker daemon"},
        {"name": "raw_exec", "healthy": True, "description": "Healthy"},
    ]
    datacenter.nodes.update(
        held=held, driver_health=drivers, version="2.0.6", meta={"serai_python": "/usr/bin/python3"}
    )
    node = datacenter.nodes.get()
    worked = {"name": "python", "ok": True, "sentence": "Programs run: Python 3.11.7."}
    untried = {"name": "gpu", "ok": None, "sentence": "Its GPUs are simulated."}
    failed = {"name": "packages", "ok": False, "sentence": "A package could not be installed: no route to host."}
    for days, outcome, last in ((8, Outcome.FAILED, failed), (1, Outcome.PASSED, untried)):
        asked = timezone.now() - timedelta(days=days)
        NodeTest.objects.create(
            node=node, outcome=outcome, asked=asked, asked_by=owner if days == 1 else None, findings=[worked, last]
        )
    at = timezone.now()
    DatacenterSample.objects.bulk_create(
        DatacenterSample(
            datacenter=datacenter, at=at - timedelta(minutes=5 * number), cpu_cores=8, used_cpu_cores=number % 7,
            memory_mb=32_000, used_memory_mb=900 * (number % 30), disk_mb=200_000, used_disk_mb=1_000 + number,
            gpus=2, used_gpus=number % 3, queued=number % 4,
        )
        for number in range(200)
    )  # fmt: skip


def _modules() -> Module:
    source = Source.objects.create(slug="demo", title="Demo", kind=SourceKind.FOLDER, location="demo")
    common = {
        "kind": Kind.MODULE,
        "source": source,
        "metadata": METADATA,
        "licence": "Apache-2.0",
        "updated": date(2025, 5, 1),
    }
    Module.objects.create(
        slug="plants", origin="plants", title="Plant species", summary="Names a plant by its leaf.",
        docker_image="example/plants", condition="warnings",
        report=[{"level": "warning", "field": "summary", "sentence": "The summary is short."}], **common,
    )  # fmt: skip
    return Module.objects.create(
        slug="digits", origin="digits", title="Handwritten digits", summary="Reads a handwritten digit.",
        description="Reads **one digit** of 8 × 8 pixels.\n\n- fast\n- small", package="demo/digits",
        api_document=TRAINS, **common,
    )  # fmt: skip


def _deployment(owner: User, module: Module, datacenter: Datacenter, status: Status, number: int) -> None:
    now = timezone.now() - timedelta(minutes=7 * number)
    failed = status == Status.FAILED
    deployment = Deployment.objects.create(
        project=owner.personal_project, owner=owner, asset=module, asset_slug=module.slug,
        title=f"Digits, {status.label}", kind=DeploymentKind.BATCH if number % 3 == 2 else DeploymentKind.SERVICE,
        request=as_json(
            DeployRequest("digits", "Digits", owner.personal_project.slug, max_run_seconds=3_600)
        ),
        status=status, stage="starting", healthy=True if status == Status.RUNNING else None, created=now,
        datacenter=datacenter, reason="The module ended with exit code 1." if failed else "",
        advice="Read the end of its log." if failed else "",
        deadline=timezone.now() + timedelta(minutes=number + 3) if status == Status.RUNNING else None,
        endpoints=[{"label": "api", "host": "127.0.0.1", "port": 9, "healthy": True}],
    )  # fmt: skip
    for verb in ("queued", "submitted", "placed"):
        DeploymentEvent.objects.create(deployment=deployment, actor=owner, verb=verb, status=status)
    for minute in range(5):
        UsageSample.objects.create(
            deployment=deployment, at=now + timedelta(minutes=minute), cpu_cores=minute / 5, memory_bytes=3e8
        )
