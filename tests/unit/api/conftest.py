"""A site with one machine, one module that trains, and ways to ask for things by REST."""

import uuid

import pytest
from django.utils import timezone

from accounts.models import User
from datacenters.models import Cluster, Datacenter, Node
from jobs.models import Deployment
from marketplace.models import Asset, Kind, Source, SourceKind


@pytest.fixture
def site(db) -> Datacenter:
    """One machine of four cores and 8 GB, and it answers."""
    cluster = Cluster.objects.create(name="local", address="http://127.0.0.1:1", local=True, reached=timezone.now())
    place = Datacenter.objects.create(name="local", cluster=cluster, nomad_name="local", offers_packages=True)
    Node.objects.create(
        id=uuid.uuid4(),
        datacenter=place,
        name="here",
        ready=True,
        drivers=["raw_exec"],
        cpu_cores=4,
        cpu_mhz=4_000,
        memory_mb=8_000,
        disk_mb=20_000,
    )
    return place


@pytest.fixture
def digits(db, tmp_path) -> Asset:
    source = Source.objects.create(slug="here", title="Here", kind=SourceKind.FOLDER, location=str(tmp_path))
    return Asset.objects.create(
        slug="digits",
        kind=Kind.MODULE,
        source=source,
        origin="digits",
        title="Digits",
        summary="Reads one digit.",
        package=str(tmp_path),
        package_digest="0" * 64,
        metadata={"categories": ["AI4 trainable"], "tags": ["demo"], "libraries": ["Scikit-learn"]},
    )


@pytest.fixture
def api(client, ada, bearer):
    """Ask as somebody (Ada unless told): ``api.get("me")``, ``api.post("deployments", {...}, as_=eve)``."""
    return Api(client, bearer, ada)


class Api:
    def __init__(self, client, bearer, person: User) -> None:
        self.client, self.bearer, self.person = client, bearer, person

    def get(self, route: str, *, as_: User | None = None, **headers: str):
        return self.client.get(f"/api/v1/{route}", headers=self._headers(as_) | headers)

    def post(self, route: str, body: object = None, *, as_: User | None = None, **headers: str):
        data = {} if body is None else body
        headers = self._headers(as_) | {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(f"/api/v1/{route}", data, content_type="application/json", headers=headers)

    def delete(self, route: str, *, as_: User | None = None):
        return self.client.delete(f"/api/v1/{route}", headers=self._headers(as_))

    def _headers(self, person: User | None) -> dict[str, str]:
        return self.bearer(person or self.person)


@pytest.fixture
def deployed(site, digits, api) -> Deployment:
    """Ada's deployment of the digits module, as REST made it."""
    answer = api.post("deployments", {"module": "digits"})
    assert answer.status_code == 201, answer.content
    return Deployment.objects.get(pk=answer.json()["id"])
