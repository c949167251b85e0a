"""What waits in a project for its turn, as people see it: on a page, by REST, and beside the form."""

import pytest

from datacenters.jobspec import JobKind
from jobs import services
from tests.unit.jobs.conftest import ask, digits, site  # noqa: F401  fixtures

pytestmark = pytest.mark.django_db


@pytest.fixture
def queue(site, digits, ask, ada, settings):  # noqa: F811
    """Ada may hold one: the second one waits."""
    settings.QUOTA_OF_PERSON = {**settings.QUOTA_OF_PERSON, "deployments": 1}
    request = ask(kind=JobKind.BATCH, cpu_cores=0.1, memory_mb=100)
    return [services.deploy(request, owner=ada) for _ in range(2)]


def test_the_page_of_the_queue_says_who_waits_where(client, ada, bob, queue):
    client.force_login(bob)
    page = client.get(f"/projects/{ada.personal_project.slug}/queue").content.decode()
    assert f"/deployments/{queue[1].pk}/" in page
    assert "1 of 1" in page
    assert "Ada" in page
    assert f"/deployments/{queue[0].pk}/" not in page


def test_the_page_of_a_run_that_waits_leads_to_the_queue(client, ada, queue):
    client.force_login(ada)
    leads = f"/projects/{ada.personal_project.slug}/queue"
    assert leads in client.get(f"/deployments/{queue[1].pk}/").content.decode()
    assert leads not in client.get(f"/deployments/{queue[0].pk}/").content.decode()


def test_an_empty_queue_says_so(client, ada):
    client.force_login(ada)
    assert "Nothing waits" in client.get(f"/projects/{ada.personal_project.slug}/queue").content.decode()


def test_by_rest_the_queue_is_a_list(client, ada, eve, queue, bearer):
    path = f"/api/v1/projects/{ada.personal_project.slug}/queue"
    answer = client.get(path, headers=bearer(ada)).json()
    assert (answer["count"], answer["next"]) == (1, None)
    assert answer["items"][0]["deployment"] == str(queue[1].pk)
    assert (answer["items"][0]["number"], answer["items"][0]["of"]) == (1, 1)
    assert client.get(path, headers=bearer(eve)).status_code == 404


def test_a_deployment_that_waits_is_queued_with_a_reason(client, ada, queue, bearer):
    answer = client.get(f"/api/v1/deployments/{queue[1].pk}", headers=bearer(ada)).json()
    assert answer["status"] == "queued"
    assert "You hold 1 of 1 deployments" in answer["reason"]


@pytest.mark.parametrize(
    ("kind", "said"), [("batch", "It would wait in the queue"), ("service", "It would be refused")]
)
def test_the_plan_says_beforehand_what_would_keep_it(client, ada, queue, bearer, kind, said):
    body = {"module": "digits", "kind": kind}
    answer = client.post("/api/v1/deployments/plan", body, content_type="application/json", headers=bearer(ada)).json()
    assert len(answer["hints"]) == 1
    assert answer["hints"][0].startswith(said)
    why = {"batch": "Others of this project wait before it.", "service": "You hold 1 of 1 deployments"}
    assert why[kind] in answer["hints"][0]


def test_rest_takes_a_training_that_must_wait_and_refuses_a_service(client, ada, queue, bearer):
    def post(kind):
        body = {"module": "digits", "kind": kind}
        return client.post("/api/v1/deployments", body, content_type="application/json", headers=bearer(ada))

    assert post("batch").status_code == 201
    refused = post("service")
    assert refused.status_code == 409
    assert refused.json()["type"].endswith("quota-exceeded")
