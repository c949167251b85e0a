"""Why a job waits, in Nomad's own counters; and that it goes on when it can."""

import pytest

from .cluster import job, shell


def resources(**asked) -> dict:
    return {"CPU": 20, "MemoryMB": 64, **asked}


@pytest.mark.parametrize(
    ("task", "counter", "key"),
    [
        (shell("true", Resources=resources(CPU=9_999_999)), "DimensionExhausted", "cpu"),
        (shell("true", Resources=resources(MemoryMB=99_999_999)), "DimensionExhausted", "memory"),
        (shell("true", Resources={"Cores": 4_000, "MemoryMB": 64}), "DimensionExhausted", "cores"),
        (
            shell("true", Resources=resources(Devices=[{"Name": "nobody/gpu", "Count": 1}])),
            "ConstraintFiltered",
            "missing devices",
        ),
        ({**shell("true"), "Driver": "docker", "Config": {"image": "x"}}, "ConstraintFiltered", "missing drivers"),
    ],
)
def test_what_cannot_be_had_is_named(cluster, job_id, task, counter, key):
    wanted = job(job_id, task)
    planned = cluster.plan(wanted)["FailedTGAllocs"]["serai"]
    cluster.register(wanted)
    failed = cluster.blocked(job_id)
    for metrics in (planned, failed):
        assert metrics[counter] == {key: 1}
        assert (metrics["NodesEvaluated"], metrics["NodesAvailable"]) == (1, {"local": 1})
    assert cluster.get(f"job/{job_id}")["Status"] == "pending"
    assert cluster.allocations(job_id) == []


def test_the_asked_amount_is_told_for_what_ran_out(cluster, job_id):
    cluster.register(job(job_id, shell("true", Resources=resources(MemoryMB=99_999_999))))
    asked = cluster.blocked(job_id)["ResourcesExhausted"]["main"]
    assert (asked["MemoryMB"], asked["CPU"]) == (99_999_999, 0)


def test_an_unknown_datacenter_has_no_nodes(cluster, job_id):
    cluster.register(job(job_id, shell("true"), Datacenters=["elsewhere"]))
    failed = cluster.blocked(job_id)
    assert (failed["NodesEvaluated"], failed["ConstraintFiltered"], failed["DimensionExhausted"]) == (0, None, None)


def test_a_datacenter_may_be_named_by_a_pattern(cluster, job_id):
    cluster.register(job(job_id, shell("true"), Datacenters=["loc*"]))
    assert cluster.ended(job_id)["ClientStatus"] == "complete"


@pytest.mark.parametrize(
    ("left", "operand", "right"),
    [("${meta.no_such}", "is_set", ""), ("${attr.kernel.name}", "=", "plan9"), ("${meta.no_such}", "regexp", "x")],
)
def test_a_constraint_that_is_not_met_is_named(cluster, job_id, left, operand, right):
    constraint = {"LTarget": left, "Operand": operand, "RTarget": right}
    cluster.register(job(job_id, shell("true"), Constraints=[constraint]))
    assert cluster.blocked(job_id)["ConstraintFiltered"] == {f"{left} {operand} {right}": 1}


@pytest.mark.parametrize(
    ("left", "operand", "right"),
    [
        ("${attr.kernel.name}", "=", "linux"),
        ("${meta.no_such}", "is_not_set", ""),
        ("${meta.no_such}", "!=", "x"),
        ("${meta.serai_packages_root}", "is_set", ""),
        ("${attr.nomad.version}", "semver", ">= 1.4.0"),
        ("${attr.cpu.numcores}", ">=", "1"),
        ("${node.datacenter}", "regexp", "^lo"),
        ("a,b", "set_contains", "b"),
    ],
)
def test_a_constraint_that_is_met_lets_the_job_run(cluster, job_id, left, operand, right):
    constraint = {"LTarget": left, "Operand": operand, "RTarget": right}
    assert cluster.plan(job(job_id, shell("true"), Constraints=[constraint]))["FailedTGAllocs"] is None


def test_an_unknown_operator_is_refused(cluster, job_id):
    constraint = {"LTarget": "${attr.kernel.name}", "Operand": "resembles", "RTarget": "linux"}
    assert 'Unknown constraint type "resembles"' in cluster.refusal(
        job(job_id, shell("true"), Constraints=[constraint])
    )


def test_a_plan_of_what_fits_has_no_failure(cluster, job_id):
    planned = cluster.plan(job(job_id, shell("true")))
    assert planned["FailedTGAllocs"] is None
    assert planned["Annotations"]["DesiredTGUpdates"]["serai"]["Place"] == 1
    assert cluster.http.get(f"job/{job_id}").status_code == 404


def test_a_waiting_job_starts_when_room_appears(cluster, job_id):
    node = cluster.get("nodes", resources="true")[0]
    most = node["NodeResources"]["Memory"]["MemoryMB"] * 2 // 3
    large = shell("exec sleep 100", Resources=resources(MemoryMB=most))
    other = f"{job_id}-other"
    cluster.register(job(other, large, kind="service"))
    cluster.running(other)
    cluster.register(job(job_id, large, kind="service"))
    assert cluster.blocked(job_id)["DimensionExhausted"] == {"memory": 1}
    cluster.stop(other)
    assert cluster.running(job_id)["ClientStatus"] == "running"
    assert all(evaluation["Status"] != "blocked" for evaluation in cluster.evaluations(job_id))


def test_a_waiting_job_that_is_stopped_waits_no_more(cluster, job_id):
    cluster.register(job(job_id, shell("true", Resources=resources(CPU=9_999_999))))
    cluster.blocked(job_id)
    cluster.stop(job_id)
    assert "canceled" in [evaluation["Status"] for evaluation in cluster.evaluations(job_id)]
    assert cluster.get(f"job/{job_id}")["Status"] == "dead"


def test_two_jobs_never_get_the_same_port(cluster, job_id):
    network = {"Networks": [{"Mode": "host", "DynamicPorts": [{"Label": "a"}, {"Label": "b"}]}]}
    ids = [f"{job_id}-{number}" for number in range(3)]
    for one in ids:
        cluster.register(job(one, shell("exec sleep 100"), kind="service", group=network))
    shared = [cluster.running(one)["AllocatedResources"]["Shared"]["Ports"] for one in ids]
    values = [port["Value"] for ports in shared for port in ports]
    assert len(set(values)) == 6


def test_the_node_tells_what_it_has(cluster):
    (listed,) = cluster.get("nodes", resources="true")
    whole = cluster.get(f"node/{listed['ID']}")
    assert (listed["Status"], listed["SchedulingEligibility"], listed["Drain"]) == ("ready", "eligible", False)
    assert listed["Drivers"]["raw_exec"]["Healthy"]
    assert listed["NodeResources"]["Cpu"]["TotalCpuCores"] >= 1
    assert listed["NodeResources"]["Memory"]["MemoryMB"] > 100
    assert listed["NodeResources"]["Disk"]["DiskMB"] > 100
    assert whole["Meta"]["serai_storage_root"] == str(cluster.agent.tasks / "storage")
    assert whole["Attributes"]["kernel.name"] == "linux"


def test_live_allocations_are_found_by_a_filter(cluster, job_id):
    cluster.register(job(job_id, shell("exec sleep 100"), kind="service"))
    cluster.running(job_id)
    ended = f"{job_id}-ended"
    cluster.register(job(ended, shell("true")))
    cluster.ended(ended)
    live = 'ClientStatus == "running" or ClientStatus == "pending"'
    found = cluster.get("allocations", namespace="*", resources="true", task_states="false", filter=live)
    mine = [one for one in found if one["JobID"].startswith(job_id)]
    assert [one["JobID"] for one in mine] == [job_id]
    assert mine[0]["AllocatedResources"]["Tasks"]["main"]["Memory"]["MemoryMB"] == 64
    assert not mine[0]["TaskStates"]
    both = cluster.get("allocations", namespace="*", filter=f'JobID matches "^{job_id}"')
    assert {one["JobID"] for one in both} == {job_id, ended}
