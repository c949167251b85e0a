"""Ada's deployment runs, with an endpoint that echoes."""

from collections.abc import Iterator

import pytest
from django.test import Client

from accounts.models import User
from dashboard.models import EndpointPass
from jobs.models import Deployment, Status

from . import Pairs, serving


@pytest.fixture(scope="session")
def echo() -> Iterator[int]:
    with serving() as port:
        yield port


@pytest.fixture
def deployment(ada: User, echo: int) -> Deployment:
    return Deployment.objects.create(
        project=ada.personal_project,
        owner=ada,
        asset_slug="echo",
        title="Echo",
        request={},
        status=Status.RUNNING,
        endpoints=[{"label": "api", "host": "127.0.0.1", "port": echo, "healthy": True}],
    )


@pytest.fixture
def host(deployment: Deployment) -> str:
    return f"api-{deployment.pk}.apps.localhost:8000"


@pytest.fixture
def cookie(deployment: Deployment, client: Client):
    """A pass for the deployment's endpoint, as a header: ``headers=cookie(ada)``."""

    def headers(user: User) -> Pairs:
        client.force_login(user)
        code = EndpointPass.code(user, client.session.session_key, deployment, "api")
        return [("cookie", "serai_app=" + EndpointPass.redeem(code, deployment.pk, "api"))]

    return headers
