"""A federated server of Ada's that runs, as rows alone."""

import pytest

from jobs import services
from jobs.federation import places
from jobs.models import Deployment, Status
from jobs.tools import mirror, secrets_of
from tests.unit.jobs.conftest import _own_data, ask, asset_of, site  # noqa: F401 a place to deploy to

ROOM = {"memory_mb": 900, "disk_mb": 500}


@pytest.fixture
def server(site, ask, ada) -> Deployment:  # noqa: F811
    mirror.ensure()
    options = {"rounds": 2, "start_clients": 2}
    made = services.deploy(ask("flower", options=options, title="Three hospitals", **ROOM), owner=ada)
    endpoints = [{"label": "fleet", "host": "127.0.0.1", "port": 8443, "healthy": True}]
    Deployment.objects.filter(pk=made.pk).update(status=Status.RUNNING, endpoints=endpoints)
    server = Deployment.objects.with_parts().get(pk=made.pk)
    places.certificates_of(server)
    secrets_of(server)
    return server
