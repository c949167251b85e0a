"""Who only looks at a project is offered nothing that the gateway would refuse."""

import pytest
from django.core.cache import cache
from django.urls import reverse

from jobs import services
from jobs.models import Deployment, Status, TrackingAccount
from tests.unit.projects.conftest import ask, bob, digits, engine, grace, site, vera, who  # noqa: F401  fixtures

pytestmark = pytest.mark.django_db


@pytest.fixture
def running(site, digits, ask, engine, bob) -> Deployment:  # noqa: F811
    """A deployment with an endpoint that answers, and a run in MLflow."""
    running = services.deploy(ask(project=engine.slug, title="Bob's digits"), owner=bob)
    TrackingAccount.objects.update_or_create(project=engine, defaults={"username": "e", "experiment_id": "7"})
    endpoints = [{"label": "api", "host": "127.0.0.1", "port": 9, "healthy": True}]
    Deployment.objects.filter(pk=running.pk).update(
        status=Status.RUNNING, healthy=True, endpoints=endpoints, run_id="0a1b2c"
    )
    running.refresh_from_db()
    return running


def doors(page: str, deployment: Deployment) -> list[str]:
    """Which of its endpoints the page opens."""
    return [label for label in ("api", "mlflow") if reverse("open-endpoint", args=[deployment.pk, label]) in page]


@pytest.mark.parametrize(("name", "opens"), [("ada", ["api", "mlflow"]), ("bob", ["api", "mlflow"]), ("vera", [])])
def test_the_page_opens_endpoints_to_those_alone_who_work_there(client, who, running, name, opens):  # noqa: F811
    client.force_login(who(name))
    for page in ("deployment", "deployment-status"):
        assert doors(client.get(reverse(page, args=[running.pk])).content.decode(), running) == opens


def test_a_viewer_reads_why(client, vera, running):  # noqa: F811
    client.force_login(vera)
    assert "You may look at this project" in client.get(reverse("deployment", args=[running.pk])).content.decode()


@pytest.mark.parametrize(("name", "url"), [("bob", "/somewhere"), ("vera", "")])
def test_charts_lead_to_mlflow_those_alone_who_work_there(client, who, running, name, url):  # noqa: F811
    """The figures are remembered for all: what one may open is not."""
    figures = {"problem": "", "runs": [{"id": "0a1b2c", "name": "", "status": "", "url": "/somewhere"}], "series": []}
    cache.set(f"metrics-{running.pk}", figures)
    client.force_login(who(name))
    answer = client.get(reverse("deployment-metrics", args=[running.pk])).json()
    assert [run["url"] for run in answer["runs"]] == [url]
    assert cache.get(f"metrics-{running.pk}") == figures
