"""Who may ask, and in which words a refusal comes."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import ApiToken
from dashboard.api import v1


def test_without_a_token_the_answer_says_how_to_get_one(client, db):
    answer = client.get("/api/v1/me")

    assert answer.status_code == 401
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert "profile" in answer.json()["detail"]


@pytest.mark.parametrize("change", [{"revoked": timezone.now()}, {"expires": timezone.now() - timedelta(seconds=1)}])
def test_a_revoked_or_expired_token_is_worth_nothing(client, ada, change):
    _token, plain = ApiToken.issue(ada, "old")
    ApiToken.objects.update(**change)

    assert client.get("/api/v1/me", headers={"Authorization": f"Bearer {plain}"}).status_code == 401


def test_a_session_cookie_opens_no_api(client, ada):
    client.force_login(ada)

    assert client.get("/api/v1/me").status_code == 401


def test_a_token_without_the_scope_is_told_which_one_is_missing(client, ada, bearer, site, digits):
    headers = bearer(ada, "read")

    assert client.get("/api/v1/deployments", headers=headers).status_code == 200
    answer = client.post("/api/v1/deployments", {"module": "digits"}, content_type="application/json", headers=headers)
    assert answer.status_code == 403
    assert "write" in answer.json()["detail"]


def test_me_says_who_i_am_and_what_i_may_hold(api, ada):
    me = api.get("me").json()

    assert me["username"] == "ada"
    assert "use" in me["capabilities"]
    assert me["projects"] == [{"id": "ada", "name": "Ada", "personal": True, "role": "manager"}]
    assert {quota["name"] for quota in me["quotas"]} == {"deployments", "cpu_cores", "memory_mb", "gpus", "home_mb"}


def test_an_unknown_route_is_a_problem_too(api):
    answer = api.get("no/such/route")

    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/problem+json"


def test_the_openapi_document_is_open_to_read(client, db):
    document = client.get("/api/v1/openapi.json").json()

    assert document["openapi"].startswith("3.1")
    assert "/api/v1/deployments/{id}/stop" in document["paths"]


def test_every_error_is_a_problem_whoever_answers_it(api, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10
    large = api.post("deployments", {"module": "digits"})
    method = api.client.put("/api/v1/deployments", headers=api.bearer(api.person))
    nonsense = api.get("deployments/not-an-id")

    assert [answer.status_code for answer in (large, method, nonsense)] == [400, 405, 404]
    assert method["Allow"]
    for answer in (large, method, nonsense):
        assert answer["Content-Type"] == "application/problem+json"
        assert answer.json()["status"] == answer.status_code


def test_a_token_that_asks_too_often_is_told_when_to_come_back(client, ada, bearer, monkeypatch):
    monkeypatch.setattr(v1.LIMIT, "num_requests", 2)
    headers = bearer(ada)

    answers = [client.get("/api/v1/me", headers=headers) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert int(answers[2]["Retry-After"]) > 0
    assert answers[2]["Content-Type"] == "application/problem+json"
