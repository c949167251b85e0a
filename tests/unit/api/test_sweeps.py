"""Sweeps by REST: what is asked for, what is wrong with it, and what one sees."""

import pytest
from django.utils import timezone

from jobs import idempotency
from jobs.models import Deployment, IdempotencyKey, Status, Sweep

TRAIN = {
    "post": {
        "parameters": [
            {"name": "epochs", "in": "query", "type": "integer", "minimum": 1, "maximum": 500, "default": 20},
            {"name": "rate", "in": "query", "type": "number", "default": 0.01},
            {"name": "layers", "in": "query", "type": "array", "items": {"type": "integer"}},
        ]
    }
}

pytestmark = pytest.mark.usefixtures("site", "digits")


@pytest.fixture
def digits(digits):
    """One that says which arguments its training takes."""
    digits.api_document = {"swagger": "2.0", "paths": {"/v2/models/digits/train/": TRAIN}}
    digits.save()
    return digits


@pytest.fixture
def start(api):
    def post(*, as_=None, **body: object):
        headers = {"Idempotency_Key": body.pop("Idempotency_Key")} if "Idempotency_Key" in body else {}
        return api.post("sweeps", {"module": "digits", **body}, as_=as_, **headers)

    return post


def errors(answer) -> dict[str, str]:
    assert answer.status_code == 422, answer.content
    return {error["pointer"]: error["detail"] for error in answer.json()["errors"]}


def test_a_grid_becomes_every_combination_in_order(start):
    answer = start(grid={"epochs": [1, 2], "rate": [0.1, 0.5, 0.1]}, at_once=3, title="Wide", arguments={"layers": [3]})
    assert answer.status_code == 201, answer.content
    sweep = answer.json()
    assert answer["Location"] == f"/api/v1/sweeps/{sweep['id']}"
    assert [variant["arguments"] for variant in sweep["variants"]] == [
        {"epochs": epochs, "rate": rate} for epochs in (1, 2) for rate in (0.1, 0.5)
    ]
    assert [variant["status"] for variant in sweep["variants"]] == ["queued", "queued", "queued", None]
    assert sweep["progress"]["total"] == 4
    assert sweep["progress"]["waiting"] == 1
    assert Deployment.objects.get(sweep_place=0).request["arguments"] == {"epochs": 1, "rate": 0.1, "layers": [3]}


def test_a_list_of_variants_is_taken_as_it_is(start):
    variants = [{"epochs": 1, "rate": 0.1}, {"epochs": 2, "layers": [1, 2]}, {"epochs": 1, "rate": 0.1}]
    assert start(variants=variants).status_code == 201
    assert Sweep.objects.get().variants == variants


@pytest.mark.parametrize(
    ("body", "pointer", "says"),
    [
        ({"grid": {"epochs": [1, "many"]}}, "#/grid/epochs", "“many” is not a number."),
        ({"grid": {"epochs": [1, 2.5]}}, "#/grid/epochs", "“2.5”: This takes a whole number."),
        ({"grid": {"epochs": [1, 900]}}, "#/grid/epochs", "“900”: This must be at most 500."),
        ({"grid": {"epochs": [1, None, 2], "depth": [1]}}, "#/grid/depth", "Taken: epochs, rate, layers."),
        ({"grid": {"epochs": 3}}, "#/grid/epochs", "A list is wanted here"),
        ({"grid": {}}, "#/grid", "Give at least one argument several values."),
        ({"variants": []}, "#/grid", "Give at least one argument several values."),
        ({}, "#/grid", "Give at least one argument several values."),
        ({"variants": [{"epochs": 1}, {"epochs": "x"}]}, "#/variants/1/epochs", "“x” is not a number."),
        ({"variants": [{"depth": 1}]}, "#/variants/0/depth", "Taken: epochs, rate, layers."),
        ({"variants": [{"epochs": n % 500 + 1} for n in range(201)]}, "#/variants", "201 trainings"),
        ({"variants": [{"epochs": 1}], "grid": {"epochs": [1]}}, "#/variants", "not both"),
        ({"grid": {"epochs": [1, 2]}, "at_once": 0}, "#/at_once", "greater than or equal to 1"),
        ({"grid": {"epochs": [1, 2]}, "at_once": 99}, "#/at_once", "less than or equal to 20"),
        ({"grid": {"epochs": [1, 2]}, "kind": "service"}, "#/kind", "batch"),
        ({"grid": {"epochs": [1, 2]}, "arguments": {"epochs": 0}}, "#/arguments/epochs", "at least 1"),
        ({"grid": {"epochs": [1, 2]}, "resources": {"memory_mb": 99_000}}, "#/resources/memory_mb", "8,000 MB"),
    ],
)
def test_what_is_wrong_is_told_at_its_place_and_nothing_starts(start, body, pointer, says):
    assert says in errors(start(**body))[pointer]
    assert not Sweep.objects.exists()


def test_ten_thousand_combinations_are_counted_and_not_made(start):
    hundred = list(range(1, 101))
    said = errors(start(grid={"epochs": hundred, "rate": [n / 1000 for n in hundred]}))
    assert said == {"#/grid/epochs": "These values make 10,000 trainings; a sweep has at most 200. Take fewer values."}
    many = list(range(1, 501))
    assert "125,000,000 trainings" in str(
        errors(start(grid={"epochs": many, "rate": many, "layers": [[n] for n in many]}))
    )


def test_everybody_of_the_project_sees_it_and_nobody_else_does(start, api, bob, eve):
    sweep = start(grid={"epochs": [1, 2]}).json()["id"]
    assert api.get(f"sweeps/{sweep}", as_=bob).json()["owner"] == "ada"
    assert api.get("sweeps", as_=bob).json()["count"] == 1
    assert api.get("sweeps", as_=eve).json() == {"items": [], "count": 0, "next": None}
    assert api.get(f"sweeps/{sweep}", as_=eve).status_code == 404
    assert api.post(f"sweeps/{sweep}/stop", as_=eve).status_code == 404


def test_stopping_it_twice_is_stopping_it_once(start, api):
    sweep = start(grid={"epochs": [1, 2, 3]}, at_once=1).json()["id"]
    for _ in range(2):
        answer = api.post(f"sweeps/{sweep}/stop")
        assert answer.status_code == 202
    found = answer.json()
    assert [variant["status"] for variant in found["variants"]] == ["stopped", None, None]
    assert found["progress"] == {"total": 3, "waiting": 0, "running": 0, "completed": 0, "failed": 0, "stopped": 3}
    assert found["ended"]


def test_a_variant_shows_what_it_came_to(start, api):
    sweep = start(grid={"epochs": [1, 2]}).json()["id"]
    reached = {"result": {"output": {"test_accuracy": 0.9, "weights": "w.joblib"}}}
    Deployment.objects.filter(sweep_place=0).update(status=Status.COMPLETED, result=reached, exit_code=0)
    Deployment.objects.filter(sweep_place=1).update(status=Status.FAILED, exit_code=3, reason="It broke.")
    first, second = api.get(f"sweeps/{sweep}").json()["variants"]
    assert (first["metrics"], first["exit_code"]) == ({"test_accuracy": 0.9}, 0)
    assert (second["status"], second["reason"], second["exit_code"]) == ("failed", "It broke.", 3)
    deployment = api.get(f"deployments/{second['deployment']}").json()
    assert (deployment["sweep"], deployment["exit_code"], deployment["restarts"]) == (sweep, 3, 0)


def test_a_script_is_swept_as_a_training_is(start):
    assert start(grid={"epochs": [1, 2]}, script="print(1)", retries=1, max_run_seconds=60).status_code == 201
    assert {row.request["script"] for row in Deployment.objects.all()} == {"print(1)"}


def test_lists_are_filtered_and_turned_page_by_page(start, api):
    for _ in range(3):
        start(grid={"epochs": [1, 2]})
    first = api.get("sweeps?limit=2&module=digits").json()
    assert (len(first["items"]), first["count"]) == (2, 3)
    assert len(api.get(f"sweeps?limit=2&cursor={first['next']}").json()["items"]) == 1
    assert api.get("sweeps?module=other").json()["count"] == 0


# ── The same request again ───────────────────────────────────────────────────────────────────────
def test_the_same_key_and_body_answer_the_first_sweep_again(start, api):
    first = start(grid={"epochs": [1, 2]}, Idempotency_Key="k1")
    again = start(grid={"epochs": [1, 2]}, Idempotency_Key="k1")
    assert first.status_code == again.status_code == 201
    assert (first.json()["id"], first["Location"]) == (again.json()["id"], again["Location"])
    assert (Sweep.objects.count(), Deployment.objects.count()) == (1, 2)


@pytest.mark.parametrize("other", [{"grid": {"epochs": [1, 3]}}, {"grid": {"epochs": [1, 2]}, "at_once": 2}])
def test_the_same_key_with_another_body_is_refused(start, other):
    start(grid={"epochs": [1, 2]}, at_once=1, Idempotency_Key="k1")
    answer = start(**other, Idempotency_Key="k1")
    assert answer.status_code == 422
    assert answer.json()["type"].endswith("idempotency-key-reused")
    assert Sweep.objects.count() == 1


def test_a_key_of_a_deployment_makes_no_sweep(start, api):
    assert api.post("deployments", {"module": "digits"}, Idempotency_Key="k1").status_code == 201
    assert start(grid={"epochs": [1, 2]}, Idempotency_Key="k1").status_code == 422
    assert start(grid={"epochs": [1, 2]}, Idempotency_Key="k2").status_code == 201
    assert api.post("deployments", {"module": "digits"}, Idempotency_Key="k2").status_code == 422
    assert Sweep.objects.count() == 1


def test_a_key_is_its_persons_own_and_lasts_a_day(start, eve):
    first = start(grid={"epochs": [1, 2]}, Idempotency_Key="k1").json()["id"]
    eves = start(grid={"epochs": [1, 2]}, as_=eve, Idempotency_Key="k1")
    assert eves.status_code == 201
    assert eves.json()["id"] != first
    IdempotencyKey.objects.update(created=timezone.now() - idempotency.KEY_LASTS)
    assert start(grid={"epochs": [1, 2]}, Idempotency_Key="k1").json()["id"] != first


def test_a_key_as_long_as_a_letter_is_refused(start):
    answer = start(grid={"epochs": [1, 2]}, Idempotency_Key="k" * 201)
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (422, "idempotency-key-too-long")
    assert not Sweep.objects.exists()
