"""Deployments by REST: what is made, what is refused and how, and who may see what."""

import uuid

import pytest

from accounts.models import AuditEvent
from jobs.models import Deployment


def pointers(answer) -> dict[str, str]:
    return {error["pointer"]: error["detail"] for error in answer.json()["errors"]}


def test_a_module_is_deployed_by_its_id_alone(site, digits, api, ada):
    answer = api.post("deployments", {"module": "digits"})

    assert answer.status_code == 201
    body = answer.json()
    assert answer["Location"] == f"/api/v1/deployments/{body['id']}"
    assert body["module"] == "digits"
    assert body["tool"] is None
    assert body["title"] == "Digits"
    assert body["project"] == "ada"
    assert body["owner"] == "ada"
    assert body["status"] == "queued"
    assert body["kind"] == "service"
    assert body["resources"]["memory_mb"] == 2_000
    assert AuditEvent.objects.filter(actor=ada, object_id=body["id"]).exists()


def test_an_unknown_module_is_named_at_its_place(site, api):
    answer = api.post("deployments", {"module": "no-such-thing"})

    assert answer.status_code == 422
    assert answer["Content-Type"] == "application/problem+json"
    assert "no-such-thing" in pointers(answer)["#/module"]


def test_a_request_without_module_says_where_ids_are_found(site, api):
    assert "GET /api/v1/modules" in pointers(api.post("deployments", {}))["#/module"]


@pytest.mark.parametrize(
    ("resources", "pointer"),
    [
        ({"memory_mb": "much"}, "#/resources/memory_mb"),
        ({"memory_mb": 1}, "#/resources/memory_mb"),
        ({"cpu_cores": 0}, "#/resources/cpu_cores"),
        ({"cpu_cores": -2}, "#/resources/cpu_cores"),
        ({"gpus": 1.5}, "#/resources/gpus"),
        ({"ram": 8_000}, "#/resources/ram"),
    ],
)
def test_a_wrong_resource_is_told_at_its_place(site, digits, api, resources, pointer):
    answer = api.post("deployments", {"module": "digits", "resources": resources})

    assert answer.status_code == 422
    assert pointer in pointers(answer)
    assert not Deployment.objects.exists()


def test_more_than_any_machine_has_names_the_largest(site, digits, api):
    answer = api.post("deployments", {"module": "digits", "resources": {"memory_mb": 900_000}})

    assert answer.status_code == 422
    assert "8,000 MB" in pointers(answer)["#/resources/memory_mb"]


def test_a_gpu_where_there_is_none_is_refused_with_the_reason(site, digits, api):
    answer = api.post("deployments", {"module": "digits", "resources": {"gpus": 1}})

    assert answer.status_code == 422
    assert "GPU" in pointers(answer)["#/resources/gpus"]


def test_all_faults_are_told_at_once(site, digits, api):
    body = {"module": "digits", "resources": {"memory_mb": 1, "cpu_cores": -1}, "options": {"wokers": 3}}

    assert set(pointers(api.post("deployments", body))) == {
        "#/resources/memory_mb",
        "#/resources/cpu_cores",
        "#/options/wokers",
    }


def test_an_unknown_datacenter_or_project_is_refused(site, digits, api):
    answer = api.post("deployments", {"module": "digits", "datacenter": "atlantis", "project": "eve"})

    assert set(pointers(answer)) == {"#/datacenter", "#/project"}


def test_a_body_that_is_no_json_is_malformed(site, api):
    answer = api.client.post(
        "/api/v1/deployments", "{", content_type="application/json", headers=api.bearer(api.person)
    )

    assert answer.status_code == 422
    assert answer["Content-Type"] == "application/problem+json"


def test_the_same_key_and_body_answer_the_first_deployment_again(site, digits, api):
    first = api.post("deployments", {"module": "digits"}, Idempotency_Key="k1")
    again = api.post("deployments", {"module": "digits"}, Idempotency_Key="k1")
    other = api.post("deployments", {"module": "digits", "title": "Another"}, Idempotency_Key="k1")

    assert first.status_code == again.status_code == 201
    assert first.json()["id"] == again.json()["id"]
    assert other.status_code == 422
    assert Deployment.objects.count() == 1


def test_a_key_is_its_persons_own(site, digits, api, eve):
    first = api.post("deployments", {"module": "digits"}, Idempotency_Key="k1")
    eves = api.post("deployments", {"module": "digits"}, as_=eve, Idempotency_Key="k1")

    assert eves.status_code == 201
    assert first.json()["id"] != eves.json()["id"]


def test_a_full_quota_is_a_conflict(site, digits, api, settings):
    settings.QUOTA_OF_PERSON = {**settings.QUOTA_OF_PERSON, "deployments": 1}
    api.post("deployments", {"module": "digits"})

    answer = api.post("deployments", {"module": "digits"})

    assert answer.status_code == 409
    assert answer.json()["type"].endswith("quota-exceeded")
    assert "1 of 1" in answer.json()["detail"]


def test_what_belongs_to_others_is_not_there(deployed, api, eve):
    for ask in (
        lambda: api.get(f"deployments/{deployed.pk}", as_=eve),
        lambda: api.get(f"deployments/{deployed.pk}/logs", as_=eve),
        lambda: api.get(f"deployments/{deployed.pk}/events", as_=eve),
        lambda: api.post(f"deployments/{deployed.pk}/stop", as_=eve),
        lambda: api.post(f"deployments/{deployed.pk}/start", as_=eve),
        lambda: api.post(f"deployments/{deployed.pk}/restore", as_=eve),
        lambda: api.delete(f"deployments/{deployed.pk}", as_=eve),
    ):
        answer = ask()
        assert answer.status_code == 404
        assert answer["Content-Type"] == "application/problem+json"
    assert api.get("deployments", as_=eve).json()["items"] == []
    deployed.refresh_from_db()
    assert deployed.wanted
    assert deployed.deleted is None


def test_a_member_of_the_project_sees_and_stops_it(deployed, api, bob):
    assert api.get(f"deployments/{deployed.pk}", as_=bob).status_code == 200
    assert api.post(f"deployments/{deployed.pk}/stop", as_=bob).status_code == 202


def test_stopping_twice_is_harmless(deployed, api):
    assert api.post(f"deployments/{deployed.pk}/stop").status_code == 202
    again = api.post(f"deployments/{deployed.pk}/stop")

    assert again.status_code == 202
    assert again.json()["status"] in {"stopping", "stopped"}


def test_deleting_can_be_undone(deployed, api):
    assert api.delete(f"deployments/{deployed.pk}").status_code == 202
    assert api.get(f"deployments/{deployed.pk}").status_code == 404

    assert api.post(f"deployments/{deployed.pk}/restore").status_code == 202
    assert api.get(f"deployments/{deployed.pk}").status_code == 200


def test_the_list_pages_by_cursor_without_losing_rows(deployed, api):
    for title in ("two", "three", "four", "five"):
        api.post("deployments", {"module": "digits", "title": title})

    first = api.get("deployments?limit=2").json()
    second = api.get(f"deployments?limit=2&cursor={first['next']}").json()
    third = api.get(f"deployments?limit=2&cursor={second['next']}").json()

    titles = [item["title"] for page in (first, second, third) for item in page["items"]]
    assert titles == ["five", "four", "three", "two", "Digits"]
    assert first["count"] == 5
    assert third["next"] is None


def test_a_cursor_of_ones_own_making_is_refused(api):
    assert api.get("deployments?cursor=bm9uc2Vuc2U").status_code == 422


def test_the_list_filters_by_words_and_status(deployed, api):
    assert api.get("deployments?q=igit").json()["count"] == 1
    assert api.get("deployments?q=nothing").json()["count"] == 0
    assert api.get("deployments?status=queued").json()["count"] == 1
    assert api.get("deployments?status=failed").json()["count"] == 0
    assert api.get("deployments?status=wrong").status_code == 422


def test_the_history_names_who_did_what(deployed, api):
    api.post(f"deployments/{deployed.pk}/stop")

    events = api.get(f"deployments/{deployed.pk}/events").json()["items"]

    assert events[0]["actor"] == "ada"
    assert [event["id"] for event in events] == sorted(event["id"] for event in events)
    assert len(events) >= 2


def test_a_plan_says_where_it_would_run_and_makes_nothing(site, digits, api):
    plan = api.post("deployments/plan", {"module": "digits"}).json()

    assert [choice["datacenter"] for choice in plan["choices"]] == ["local"]
    assert plan["choices"][0]["starts_now"]
    assert not Deployment.objects.exists()


def test_a_plan_that_nobody_can_meet_gives_the_refusals(site, digits, api):
    plan = api.post("deployments/plan", {"module": "digits", "resources": {"cpu_cores": 64}}).json()

    assert plan["choices"] == []
    assert "64" in plan["refusals"][0]["sentence"]


def test_an_unknown_id_is_a_problem_document(api):
    answer = api.get(f"deployments/{uuid.uuid4()}")

    assert answer.status_code == 404
    assert answer.json()["status"] == 404
