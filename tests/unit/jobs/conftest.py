"""Sites to deploy to: one of rows alone, and one with the real local datacenter behind it."""

import time
import uuid
from collections.abc import Callable
from dataclasses import replace

import pytest
from django.utils import timezone

from accounts.models import User
from datacenters.jobspec import JobKind
from datacenters.models import Cluster, Datacenter, Node
from datacenters.services import adapter_for, refresh
from jobs import cleaning, health, reconciling, services, submission
from jobs.models import Deployment
from jobs.requests import DeployRequest, ResourceRequest
from marketplace.models import Asset, Kind, Source, SourceKind
from tests.fake_modules import make_module

# What ``World.deploy`` asks for; all else is how the module behaves.
ASKED = ("arguments", "title", "cpu_cores", "storages", "datasets")


@pytest.fixture(autouse=True)
def _own_data(settings, tmp_path):
    settings.SERAI_DATA = tmp_path


@pytest.fixture
def site(db) -> Datacenter:
    """One machine of four cores and 8 GB; its rows only, nothing listens there."""
    cluster = Cluster.objects.create(name="ifca", address="http://127.0.0.1:1", local=True, reached=timezone.now())
    place = Datacenter.objects.create(name="ifca", cluster=cluster, nomad_name="local", offers_packages=True)
    Node.objects.create(
        id=uuid.uuid4(),
        datacenter=place,
        name="one",
        ready=True,
        drivers=["raw_exec"],
        cpu_cores=4,
        cpu_mhz=4_000,
        memory_mb=8_000,
        disk_mb=50_000,
    )
    return place


def asset_of(slug: str, package: str, **more: object) -> Asset:
    source, _ = Source.objects.get_or_create(
        slug="here", defaults={"title": "Here", "kind": SourceKind.FOLDER, "location": "/nowhere"}
    )
    return Asset.objects.create(
        slug=slug,
        kind=Kind.MODULE,
        source=source,
        origin=slug,
        title=slug.title(),
        package=package,
        package_digest=slug,
        **more,
    )


@pytest.fixture
def digits(db) -> Asset:
    return asset_of("digits", "/srv/modules/digits")


@pytest.fixture
def ask(ada):
    """A small request of Ada's, with changes: ``ask(memory_mb=99_000, title="big")``."""

    def make(asset: str = "digits", **changes: object) -> DeployRequest:
        names = {name: changes.pop(name) for name in list(changes) if name in ResourceRequest.__dataclass_fields__}
        resources = replace(ResourceRequest(cpu_cores=0.5, memory_mb=300, disk_mb=200), **names)
        plain = DeployRequest(asset=asset, title="Digits", project=ada.personal_project.slug, resources=resources)
        return replace(plain, **changes)

    return make


@pytest.fixture
def deployed(site, digits, ask, ada) -> Deployment:
    """Queued, never sent."""
    return services.deploy(ask(), owner=ada)


class World:
    """The real local datacenter and what the worker and the watcher do, one step after the other."""

    def __init__(self, cluster: Cluster, ada: User, ask: Callable[..., DeployRequest], folder) -> None:
        self.cluster, self.ada, self.ask, self.folder = cluster, ada, ask, folder
        self.deployments: list[Deployment] = []

    @property
    def adapter(self):
        return adapter_for(self.cluster)

    def deploy(self, *, kind: JobKind = JobKind.SERVICE, **behaviour: object) -> Deployment:
        request = {name: behaviour.pop(name) for name in ASKED if name in behaviour}
        slug = f"module-{uuid.uuid4().hex[:8]}"
        asset_of(slug, str(make_module(self.folder / slug, **behaviour)))
        return self.again(slug, kind=kind, **request)

    def again(self, slug: str, *, kind: JobKind = JobKind.SERVICE, **request: object) -> Deployment:
        deployment = services.deploy(self.ask(slug, kind=kind, **request), owner=self.ada)
        self.deployments.append(deployment)
        return deployment

    def step(self) -> None:
        for pk in list(Deployment.objects.due().values_list("pk", flat=True)):
            submission.submit(pk)
        for pk in list(Deployment.objects.to_withdraw().values_list("pk", flat=True)):
            submission.withdraw(pk)
        reconciling.reconcile()
        for deployment in health.to_probe():
            health.note(deployment, health.probe(deployment))

    def until(self, deployment: Deployment, condition, seconds: float = 60) -> Deployment:
        """Go on until the deployment is in this status, or fulfils this condition."""
        fulfilled = condition if callable(condition) else lambda row: row.status == condition
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.step()
            deployment.refresh_from_db()
            if fulfilled(deployment):
                return deployment
            time.sleep(0.1)
        history = [(event.verb, event.sentence) for event in deployment.events.all()]
        raise AssertionError(f"{deployment.status}: {deployment.reason}\n{history}")

    def clear(self) -> None:
        for deployment in self.deployments:
            self.adapter.purge(deployment.job_id, deployment.namespace)


@pytest.fixture
def world(db, local_agent, ada, ask, tmp_path):
    cluster = Cluster.objects.create(name="local", address=local_agent.address, token=local_agent.token, local=True)
    assert refresh(cluster), Cluster.objects.get(pk=cluster.pk).problem
    if Datacenter.objects.get().one_person:  # these tests do not run as root: then it serves the first administrator
        User.objects.filter(pk=ada.pk).update(is_superuser=True)
    here = World(cluster, ada, ask, tmp_path / "modules")
    yield here
    here.clear()


@pytest.fixture
def clean():
    return cleaning.clean
