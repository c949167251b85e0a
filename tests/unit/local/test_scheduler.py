"""Placing on the one node: devices, ports, cores, and the shapes of recorded answers."""

import json
import os
from pathlib import Path

import pytest

from datacenters.local.jobs import filled
from datacenters.local.scheduler import NoPlace, Placement, place
from tests.contract.cluster import job, shell

SHARED = Path(os.environ.get("SERAI_SHARED", Path(__file__).parents[4] / "shared"))
GPU = {
    "Vendor": "nvidia",
    "Type": "gpu",
    "Name": "Tesla T4",
    "Attributes": {"memory": {"Int": 15_360, "Unit": "MiB"}, "cuda_compute_capability": {"String": "7.5"}},
    "Instances": [
        {"ID": "GPU-1", "Healthy": True},
        {"ID": "GPU-2", "Healthy": True},
        {"ID": "GPU-3", "Healthy": False},
    ],
}
NODE = {
    "ID": "n",
    "Name": "local-1",
    "Datacenter": "local",
    "SchedulingEligibility": "eligible",
    "NodeClass": "",
    "NodePool": "default",
    "Attributes": {"kernel.name": "linux"},
    "Meta": {},
    "Drivers": {"raw_exec": {}},
    "NodeResources": {
        "Cpu": {"CpuShares": 4_000, "ReservableCpuCores": [0, 1, 2, 3], "TotalCpuCores": 4},
        "Memory": {"MemoryMB": 8_000},
        "Disk": {"DiskMB": 10_000},
        "Devices": [GPU],
        "MinDynamicPort": 20_000,
        "MaxDynamicPort": 20_003,
    },
}


def placed(*tasks, live=(), is_free=lambda port: True, **members):
    return place(filled(job("j", *tasks, **members), "global"), NODE, live, is_free)


def resources(**asked):
    return {"CPU": 100, "MemoryMB": 100, **asked}


def gpu(name="nvidia/gpu", count=1, **constraints):
    written = [{"LTarget": f"${{device.{k}}}", "Operand": o, "RTarget": r} for k, (o, r) in constraints.items()]
    return shell("true", Resources=resources(Devices=[{"Name": name, "Count": count, "Constraints": written}]))


@pytest.mark.parametrize("name", ["gpu", "nvidia/gpu", "nvidia/gpu/Tesla T4"])
def test_a_device_is_asked_for_by_any_form_of_its_name(name):
    found = placed(gpu(name))
    assert found.resources["Tasks"]["main"]["Devices"][0]["DeviceIDs"] == ["GPU-1"]


@pytest.mark.parametrize(
    "ask",
    [gpu("amd/gpu"), gpu("nvidia/gpu/A100"), gpu("fpga"), gpu(count=3), gpu(model=("=", "A100"))],
)
def test_a_device_that_is_not_there_filters_the_node(ask):
    assert placed(ask).metrics["ConstraintFiltered"] == {"missing devices": 1}


def attribute(name, operator, right):
    one = {"LTarget": f"${{device.attr.{name}}}", "Operand": operator, "RTarget": right}
    return shell("true", Resources=resources(Devices=[{"Name": "gpu", "Constraints": [one]}]))


@pytest.mark.parametrize(
    ("name", "operator", "right", "fits"),
    [
        ("memory", ">=", "10 GiB", True),
        ("memory", ">=", "16384 MiB", False),
        ("cuda_compute_capability", "version", ">= 7.0", True),
        ("cuda_compute_capability", "version", ">= 8.0", False),
        ("no_such", "=", "x", False),
    ],
)
def test_a_device_is_asked_for_by_what_it_can(name, operator, right, fits):
    assert isinstance(placed(attribute(name, operator, right)), Placement) is fits


def test_devices_in_use_are_exhausted_not_missing():
    first = placed(gpu(count=2)).resources
    assert placed(gpu(), live=[first]).metrics["DimensionExhausted"] == {"devices: no devices match request": 1}


def test_two_tasks_never_share_a_device():
    found = placed(gpu(), {**gpu(), "Name": "other"})
    given = [task["Devices"][0]["DeviceIDs"] for task in found.resources["Tasks"].values()]
    assert given == [["GPU-1"], ["GPU-2"]]
    assert placed(gpu(count=2), {**gpu(), "Name": "other"}).metrics["ConstraintFiltered"] == {"missing devices": 1}


def test_cores_are_reserved():
    first = placed(shell("true", Resources={"Cores": 3, "MemoryMB": 100})).resources
    assert first["Tasks"]["main"]["Cpu"] == {"CpuShares": 3_000, "ReservedCores": [0, 1, 2]}
    second = placed(shell("true", Resources={"Cores": 2, "MemoryMB": 100}), live=[first])
    assert second.metrics["DimensionExhausted"] == {"cores": 1}


def test_what_is_used_counts():
    first = placed(shell("true", Resources=resources(MemoryMB=5_000))).resources
    second = placed(shell("true", Resources=resources(MemoryMB=3_001)), live=[first])
    assert second.metrics["DimensionExhausted"] == {"memory": 1}
    assert isinstance(placed(shell("true", Resources=resources(MemoryMB=3_000)), live=[first]), Placement)


def ports(*labels, static=()):
    dynamic = [{"Label": label} for label in labels]
    reserved = [{"Label": f"s{value}", "Value": value} for value in static]
    return {"Networks": [{"Mode": "host", "DynamicPorts": dynamic, "ReservedPorts": reserved}]}


def test_a_port_someone_listens_on_is_not_given():
    found = placed(shell("true"), group=ports("a"), is_free=lambda port: port == 20_001)
    assert found.resources["Shared"]["Ports"] == [{"HostIP": "127.0.0.1", "Label": "a", "Value": 20_001}]


def test_ports_may_run_out():
    found = placed(shell("true"), group=ports("a", "b", "c", "d"))
    assert found.metrics["DimensionExhausted"] == {"network: dynamic port selection failed": 1}


def test_a_static_port_is_given_once():
    first = placed(shell("true"), group=ports(static=[8080])).resources
    second = placed(shell("true"), group=ports(static=[8080]), live=[first])
    assert second.metrics["DimensionExhausted"] == {"network: reserved port collision s8080=8080": 1}


@pytest.mark.skipif(not (SHARED / "nomad-api").exists(), reason="the recorded answers of a Nomad are not here")
@pytest.mark.parametrize("file", ["cpu", "memory", "datacenter", "constraint_meta", "gpu_exhausted"])
def test_the_counters_have_the_members_of_a_recorded_evaluation(file):
    recorded = json.loads((SHARED / "nomad-api" / f"evaluations.blocked.{file}.json").read_text())
    found = placed(shell("true"), Datacenters=["elsewhere"])
    assert isinstance(found, NoPlace)
    assert found.metrics.keys() == recorded[0]["FailedTGAllocs"]["usergroup"].keys()


@pytest.mark.skipif(not (SHARED / "nomad-api").exists(), reason="the recorded answers of a Nomad are not here")
def test_a_filled_in_job_has_the_members_of_a_recorded_one():
    recorded = json.loads((SHARED / "nomad-api" / "job.product.get.json").read_text())
    asked = json.loads((SHARED / "nomad-api" / "job.product.request.json").read_text())["Job"]
    job = filled(asked, "eu")
    given_by_state = {"CreateIndex", "ModifyIndex", "JobModifyIndex"}
    assert job.keys() == recorded.keys() - given_by_state
    assert job["TaskGroups"][0].keys() == recorded["TaskGroups"][0].keys()
    mine, theirs = job["TaskGroups"][0]["Tasks"], recorded["TaskGroups"][0]["Tasks"]
    for left, right in zip(mine, theirs, strict=True):
        assert left.keys() == right.keys()
        assert left["Resources"].keys() == right["Resources"].keys()
        assert left["KillTimeout"] == right["KillTimeout"]
