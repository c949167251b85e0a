"""A node that was taken out, or is being emptied, is so still when its agent comes back."""

import pytest

from tests.contract.cluster import SECOND, job, shell

pytestmark = pytest.mark.slow


def test_an_agent_that_is_killed_comes_back_with_its_node_taken_out(own_agent, own_cluster):
    node = own_cluster.get("nodes")[0]["ID"]
    for wanted in ("ineligible", "eligible"):
        assert own_cluster.http.put(f"node/{node}/eligibility", json={"Eligibility": wanted}).status_code == 200
        own_agent.kill()
        own_agent.start()
        assert own_cluster.get("nodes")[0]["SchedulingEligibility"] == wanted


def test_a_drain_goes_on_over_a_crash_and_ends_at_its_deadline(own_agent, own_cluster):
    node = own_cluster.get("nodes")[0]["ID"]
    own_cluster.register(job("training", shell("exec sleep 300")))
    own_cluster.running("training")
    spec = {"Deadline": 4 * SECOND, "IgnoreSystemJobs": True}
    assert own_cluster.http.put(f"node/{node}/drain", json={"DrainSpec": spec}).status_code == 200
    own_agent.kill()
    own_agent.start()
    assert own_cluster.get("nodes")[0]["Drain"]
    moved = own_cluster.allocation("training", lambda one: one["DesiredStatus"] == "stop")
    assert moved["DesiredDescription"] == "alloc is being migrated"
    own_cluster.blocked("training")
    own_cluster.allocation("training", lambda _one: not own_cluster.get("nodes")[0]["Drain"])


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("eligibility", {"Eligibility": "perhaps"}, "invalid scheduling eligibility"),
        ("drain", {"DrainSpec": {"Deadline": "soon"}}, "cannot unmarshal"),
    ],
)
def test_what_makes_no_sense_is_refused(own_cluster, path, body, words):
    node = own_cluster.get("nodes")[0]["ID"]
    answer = own_cluster.http.put(f"node/{node}/{path}", json=body)
    assert answer.status_code in (400, 500)
    assert words in answer.text
