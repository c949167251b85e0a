"""The main journey as a script goes it: find, deploy, predict, train, stop; by REST alone."""

import json
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import httpx
import pytest

from tests.system.stack import ROOT, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

DIGITS = "digits-classifier"
SEVEN = ROOT / "marketplace" / "demo" / DIGITS / "samples" / "seven.png"
# Eve has an account here, and no project with anybody.
EVE = """
from accounts.models import ApiToken, create_person
print(ApiToken.issue(create_person("eve"), "laptop")[1])
"""


@pytest.fixture(scope="module")
def api(whole_stack) -> Iterator[httpx.Client]:
    with whole_stack.client() as client:
        client.base_url = f"{whole_stack.url}/api/v1/"
        yield client
        for deployment in client.get("deployments").json()["items"]:
            client.delete(f"deployments/{deployment['id']}")


@pytest.fixture(scope="module")
def eve(whole_stack) -> Iterator[httpx.Client]:
    with whole_stack.client(whole_stack.manage("shell", "-v0", "-c", EVE).strip()) as client:
        yield client


def until(api: httpx.Client, deployment: str, fulfilled: Callable[[dict[str, Any]], object], seconds: float = 200):
    """The deployment, once it is so; a status from which nothing more comes ends the waiting."""
    deadline = time.monotonic() + seconds
    while not fulfilled(found := api.get(f"deployments/{deployment}").json()):
        assert time.monotonic() < deadline, found
        assert found["status"] != "failed", found
        time.sleep(0.2)
    return found


def is_now(status: str) -> Callable[[dict[str, Any]], bool]:
    return lambda deployment: deployment["status"] == status


def ask(api: httpx.Client, **body: Any) -> str:
    answer = api.post("deployments", json={"module": DIGITS, **body})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


@pytest.fixture(scope="module")
def service(api) -> str:
    """A running digits classifier."""
    deployment = ask(api, title="By a script")
    until(api, deployment, is_now("running"))
    return deployment


@pytest.fixture(scope="module")
def training(api, service, whole_stack) -> dict[str, Any]:
    """One that ended, with the run that it logged."""
    wait_for(lambda: whole_stack.parts()["mlflow"] == "up", 240, whole_stack.log)
    deployment = ask(api, kind="batch", arguments={"epochs": 5, "seed": 3}, title="A short training")
    return until(api, deployment, lambda found: found["status"] == "completed" and found["run"])


def label_and_scores(answer: httpx.Response) -> tuple[str, list[float]]:
    assert answer.status_code == 200, answer.text
    predictions = answer.json()["predictions"]
    return predictions["label"], predictions["probabilities"]


def predict(client: httpx.Client, url: str, **headers: str) -> tuple[str, list[float]]:
    with SEVEN.open("rb") as image:
        return label_and_scores(client.post(url, files={"image": image}, headers=headers))


def predict_path(client: httpx.Client, service: str) -> str:
    """From the module's own document, not by guessing."""
    document = client.get(f"/d/{service}/api/swagger.json").json()
    return next(path for path in document["paths"] if path.endswith("/predict/"))


# ── Find ─────────────────────────────────────────────────────────────────────────────────────────
def test_the_token_in_the_file_says_who_i_am(api):
    me = api.get("me").json()
    assert me["username"] == "admin"
    assert {"use", "train", "administer"} <= set(me["capabilities"])
    assert {quota["name"] for quota in me["quotas"]} >= {"deployments", "cpu_cores"}


def test_a_module_is_found_by_a_word_and_says_what_it_takes(api):
    found = api.get("modules", params={"q": "digits"}).json()
    assert DIGITS in [item["id"] for item in found["items"]]
    assert api.get(f"modules/{DIGITS}").json()["trainable"]
    form = api.get(f"modules/{DIGITS}/form", params={"kind": "batch"}).json()
    assert form["properties"]["arguments"]["properties"]["epochs"]["default"] == 20


def test_a_plan_says_where_it_would_run_and_makes_nothing(api):
    before = api.get("deployments").json()["count"]
    plan = api.post("deployments/plan", json={"module": DIGITS}).json()
    assert plan["choices"][0]["datacenter"] == "local"
    assert plan["choices"][0]["sentence"]
    assert api.get("deployments").json()["count"] == before


# ── Deploy ───────────────────────────────────────────────────────────────────────────────────────
def test_the_same_request_sent_twice_deploys_once(api):
    body = {"module": DIGITS, "title": "Once"}
    key = {"Idempotency-Key": "journey-1"}
    first, second = (api.post("deployments", json=body, headers=key) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["id"] == second.json()["id"]
    assert first.headers["Location"] == f"/api/v1/deployments/{first.json()['id']}"
    other = api.post("deployments", json={**body, "title": "Another"}, headers=key)
    assert other.status_code == 422
    assert other.headers["Content-Type"] == "application/problem+json"
    api.delete(f"deployments/{first.json()['id']}")
    wait_for(lambda: api.get("deployments", params={"q": "Once"}).json()["count"] == 0, 20)


def test_a_wrong_value_is_named_by_its_pointer(api):
    answer = api.post("deployments", json={"module": DIGITS, "resources": {"memory_mb": 10**9}})
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["#/resources/memory_mb"]


def test_the_running_service_names_its_endpoint(api, service):
    found = api.get(f"deployments/{service}").json()
    assert found["healthy"]
    [endpoint] = found["endpoints"]
    assert (endpoint["name"], endpoint["healthy"]) == ("api", True)
    assert endpoint["url"].startswith(f"http://api-{service}.apps.localhost:")


# ── Follow ───────────────────────────────────────────────────────────────────────────────────────
def test_its_events_tell_the_whole_start(api, service):
    events = api.get(f"deployments/{service}/events").json()["items"]
    verbs = [event["verb"] for event in events]
    assert verbs[:2] == ["queued", "submitted"]
    assert "became ready" in verbs
    assert events[0]["actor"] == "admin"


def test_a_broken_off_event_stream_goes_on_where_it_was(api, service):
    events = api.get(f"deployments/{service}/events").json()["items"]
    headers = {"Accept": "text/event-stream", "Last-Event-ID": str(events[1]["id"])}
    with api.stream("GET", f"deployments/{service}/events", headers=headers) as stream:
        assert stream.headers["Content-Type"] == "text/event-stream"
        said = [json.loads(line.removeprefix("data: ")) for line in data_lines(stream, len(events) - 2)]
    assert [event["id"] for event in said] == [event["id"] for event in events[2:]]


def data_lines(stream: httpx.Response, count: int) -> Iterator[str]:
    return islice((line for line in stream.iter_lines() if line.startswith("data: ")), count)


def test_its_log_is_text_and_is_followed_as_it_grows(api, service, whole_stack):
    assert "digits" in api.get(f"deployments/{service}/logs").text
    with (
        api.stream("GET", f"deployments/{service}/logs", params={"follow": "true", "tail": 1}) as log,
        whole_stack.client() as other,
    ):
        lines = log.iter_lines()
        next(lines)
        other.get(f"/d/{service}/api/v2/models/?sign=of-the-journey")
        assert any("sign=of-the-journey" in line for line in islice(lines, 20))


# ── Use ──────────────────────────────────────────────────────────────────────────────────────────
def test_a_prediction_by_the_main_host_and_by_the_endpoints_own(whole_stack, service):
    with whole_stack.client() as client:
        path = predict_path(client, service)
        label, scores = predict(client, f"/d/{service}/api{path}")
        assert label == "7"
        assert sum(scores) == pytest.approx(1, abs=1e-3)
        own_host = f"api-{service}.apps.localhost:{whole_stack.port}"
        assert predict(client, path, Host=own_host) == (label, scores)


def test_nobody_predicts_without_a_token(whole_stack, service):
    anonymous = httpx.get(f"{whole_stack.url}/d/{service}/api/v2/", trust_env=False)
    assert anonymous.status_code == 401


def test_somebody_elses_token_finds_nothing(eve, service, whole_stack):
    for path in ("", "/logs", "/events"):
        assert eve.get(f"/api/v1/deployments/{service}{path}").status_code == 404, path
    for path in ("stop", "start", "restore"):
        assert eve.post(f"/api/v1/deployments/{service}/{path}").status_code == 404, path
    assert eve.delete(f"/api/v1/deployments/{service}").status_code == 404
    assert eve.get(f"/d/{service}/api/v2/").status_code == 404
    own_host = {"Host": f"api-{service}.apps.localhost:{whole_stack.port}"}
    assert eve.get("/v2/", headers=own_host).status_code == 404
    assert eve.get("/api/v1/deployments").json()["count"] == 0


# ── Train ────────────────────────────────────────────────────────────────────────────────────────
def test_a_training_ends_with_its_result_and_its_run(training):
    output = training["result"]["result"]["output"]
    assert output["epochs"] == 5
    assert output["test_accuracy"] > 0.8
    assert training["run"] == output["run_id"]
    assert training["arguments"]["seed"] == 3


def test_the_log_of_a_training_stays(api, training):
    assert "step 5: train_loss" in api.get(f"deployments/{training['id']}/logs").text


def test_the_service_predicts_with_what_was_trained(api, service, whole_stack):
    with whole_stack.client() as client:
        path = f"/d/{service}/api{predict_path(client, service)}"
        _label, before = predict(client, path)
        again = ask(api, kind="batch", arguments={"epochs": 4, "seed": 11})
        until(api, again, is_now("completed"))
        _label, after = predict(client, path)
    assert after != before


# ── Stop ─────────────────────────────────────────────────────────────────────────────────────────
def test_stop_start_delete_and_restore(api, service):
    for _twice in range(2):
        assert api.post(f"deployments/{service}/stop").status_code == 202
    until(api, service, is_now("stopped"), 30)
    assert "digits" in api.get(f"deployments/{service}/logs").text

    assert api.post(f"deployments/{service}/start").status_code == 202
    until(api, service, is_now("running"), 60)

    assert api.delete(f"deployments/{service}").status_code == 202
    assert api.get(f"deployments/{service}").status_code == 404
    assert api.delete(f"deployments/{service}").status_code == 404

    assert api.post(f"deployments/{service}/restore").status_code == 202
    assert until(api, service, is_now("running"), 60)["title"] == "By a script"
