"""The stream of events, and who may call at all."""

import json
import threading
import time

import httpx
import pytest

from .cluster import job, shell

pytestmark = pytest.mark.slow


def listen(cluster, index: int = 0, **query):
    """Lines of the event stream, as they come."""
    wanted = {"topic": ["Job", "Evaluation", "Allocation"], "namespace": "*", "index": index, **query}
    with cluster.agent.client() as http, http.stream("GET", "event/stream", params=wanted) as response:
        assert response.status_code == 200
        yield from (json.loads(line) for line in response.iter_lines() if line.strip())


def heard(cluster, job_id: str, *, until, index: int) -> list[dict]:
    found = []
    for line in listen(cluster, index):
        events = [event for event in line.get("Events") or [] if job_id in (event["Key"], *(event["FilterKeys"] or []))]
        found += [{**event, "LineIndex": line["Index"]} for event in events]
        if any(until(event) for event in events):
            return found
    raise AssertionError(f"the stream ended after {found}")


def complete(event: dict) -> bool:
    return event["Payload"].get("Allocation", {}).get("ClientStatus") == "complete"


def test_the_stream_opens_with_a_sign_of_life(cluster):
    index = int(cluster.http.get("jobs").headers["X-Nomad-Index"]) + 1_000
    assert next(listen(cluster, index)) == {}


def test_a_jobs_whole_life_is_told(cluster, job_id):
    index = int(cluster.http.get("jobs").headers["X-Nomad-Index"])
    timer = threading.Timer(0.3, cluster.register, [job(job_id, shell("true"))])
    timer.start()
    told = heard(cluster, job_id, until=complete, index=index + 1)
    timer.join()
    assert {event["Topic"] for event in told} == {"Job", "Evaluation", "Allocation"}
    assert all(event["Namespace"] == "default" for event in told)
    indexes = [event["LineIndex"] for event in told]
    assert indexes == sorted(indexes)
    registered = next(event for event in told if event["Topic"] == "Job")
    assert (registered["Key"], registered["Type"]) == (job_id, "JobRegistered")
    allocation = next(event for event in told if event["Topic"] == "Allocation")["Payload"]["Allocation"]
    assert allocation["JobID"] == job_id
    assert "Job" not in allocation


def test_what_was_missed_is_told_from_an_index_on(cluster, job_id):
    index = int(cluster.http.get("jobs").headers["X-Nomad-Index"])
    cluster.register(job(job_id, shell("true")))
    cluster.ended(job_id)
    told = heard(cluster, job_id, until=complete, index=index + 1)
    assert "JobRegistered" in [event["Type"] for event in told]


def test_a_waiting_job_is_told(cluster, job_id):
    index = int(cluster.http.get("jobs").headers["X-Nomad-Index"])
    cluster.register(job(job_id, shell("true", Resources={"CPU": 9_999_999, "MemoryMB": 64})))
    blocked = lambda event: event["Payload"].get("Evaluation", {}).get("Status") == "blocked"  # noqa: E731
    assert heard(cluster, job_id, until=blocked, index=index + 1)


def test_a_change_is_told_within_two_seconds(cluster, job_id):
    cluster.register(job(job_id, shell("exec sleep 100"), kind="service"))
    cluster.running(job_id)
    index = int(cluster.http.get("jobs").headers["X-Nomad-Index"])
    begun = time.monotonic()
    cluster.stop(job_id)
    heard(cluster, job_id, until=lambda event: event["Type"] == "JobDeregistered", index=index + 1)
    assert time.monotonic() - begun < 2


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "no/such/thing", 404),
        ("PUT", "nodes", 405),
        ("GET", "job/no-such-job", 404),
        ("GET", "jobs?wait=x&index=1", 400),
    ],
)
def test_wrong_calls_get_nomads_codes(cluster, method, path, status):
    assert cluster.http.request(method, path).status_code == status


def test_another_region_is_not_here(cluster):
    response = cluster.http.get("jobs", params={"region": "mars"})
    assert (response.status_code, response.text) == (500, "No path to region")


def test_a_body_that_is_no_json_is_400(cluster):
    assert cluster.http.post("jobs", content=b"{").status_code == 400
    assert cluster.http.post("jobs", json={}).text == "Job must be specified"


def test_a_wrong_type_is_400(cluster, job_id):
    task = shell("true", Resources={"CPU": "much", "MemoryMB": 64})
    response = cluster.http.post("jobs", json={"Job": job(job_id, task)})
    assert response.status_code == 400
    assert "cannot unmarshal string" in response.text


def test_a_namespace_is_made_once_and_listed(cluster):
    for _ in range(2):
        assert cluster.http.post("namespace", json={"Name": "contract-b", "Description": "b"}).status_code == 200
    assert "contract-b" in [one["Name"] for one in cluster.get("namespaces")]
    assert cluster.http.post("namespace", json={"Name": "not a name"}).status_code == 500


def test_without_the_token_the_local_datacenter_tells_nothing(cluster):
    if not cluster.agent.token:
        pytest.skip("the dev agent runs without access control")
    for headers in ({}, {"X-Nomad-Token": "guessed"}):
        response = httpx.get(f"{cluster.agent.address}/v1/jobs", headers=headers)
        assert (response.status_code, response.text) == (403, "Permission denied")
    bearer = {"Authorization": f"Bearer {cluster.agent.token}"}
    assert httpx.get(f"{cluster.agent.address}/v1/jobs", headers=bearer).status_code == 200


def test_the_agent_says_its_version(cluster):
    version = cluster.get("agent/self")["config"]["Version"]
    assert version["Version"].startswith("2.")
