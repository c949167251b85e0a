"""Why a job has no place, in plain words with their numbers."""

import json
from pathlib import Path

import pytest
from django.conf import settings

from datacenters.jobspec import Device, Resources
from datacenters.nomad.asks import ask_of
from datacenters.nomad.nodes import node_facts
from datacenters.nomad.reasons import why_not_placed
from datacenters.nomad.render import TRUSTED, job_json

from .shapes import a_spec, a_task, gpus, node

RECORDED = Path(settings.SERAI_SHARED) / "nomad-api"
recorded = pytest.mark.skipif(not RECORDED.is_dir(), reason=f"no recorded answers of a real Nomad in {RECORDED}")


def ask(cpu_cores=1.0, memory_mb=1_000, disk_mb=1_000, gpu=None):
    task = a_task(resources=Resources(cpu_cores, memory_mb, gpu))
    return ask_of(job_json(a_spec(task, disk_mb=disk_mb), TRUSTED))


def reason(metrics, nodes=(), **asked):
    return why_not_placed({"NodesEvaluated": 1, **metrics}, ask(**asked), nodes)


def exhausted(dimension):
    return {"DimensionExhausted": {dimension: 1}}


def filtered(condition):
    return {"ConstraintFiltered": {condition: 1}}


BUSY = node(used_cpu_mhz=3_000, used_memory_mb=15_000, used_disk_mb=90_000)
NO_DEVICES = filtered("missing devices")
T4 = {"model": "Tesla T4"}


@pytest.mark.parametrize(
    ("metrics", "nodes", "asked", "sentence"),
    [
        (
            exhausted("cpu"),
            [BUSY],
            {"cpu_cores": 2},
            "The job asks for 2 cores of CPU; the most that is free on one node of dc1 is 1 core.",
        ),
        (
            exhausted("memory"),
            [BUSY],
            {"memory_mb": 4_000},
            "The job asks for 4,000 MB of memory; the most that is free on one node of dc1 is 1,000 MB.",
        ),
        (
            exhausted("memory"),
            [BUSY, node("dc1-2", memory_mb=32_000)],
            {"memory_mb": 64_000},
            "The job asks for 64,000 MB of memory; the largest node of dc1 has 32,000 MB.",
        ),
        (
            exhausted("disk"),
            [BUSY],
            {"disk_mb": 20_000},
            "The job asks for 20,000 MB of disk space; the most that is free on one node of dc1 is 10,000 MB.",
        ),
        (exhausted("cores"), [BUSY], {}, "No node of dc1 has enough whole CPU cores free."),
        (
            exhausted("network: reserved port collision http=8080"),
            [BUSY],
            {},
            "Port 8080 is in use by another job on every node of dc1.",
        ),
        (
            exhausted("network: dynamic port selection failed"),
            [BUSY],
            {},
            "No node of dc1 has a free port left for this job.",
        ),
        (exhausted("something new"), [BUSY], {}, "No node of dc1 has enough left of: something new."),
        (
            {"QuotaExhausted": ["memory limit exceeded"]},
            [BUSY],
            {},
            "The project's quota in dc1 is used up: memory limit exceeded.",
        ),
        ({"NodesEvaluated": 0}, [node(datacenter="dc2")], {}, "There is no node in dc1."),
        (
            {"NodesEvaluated": 0},
            [node(ready=False), node("dc1-2", ready=False)],
            {},
            "No node of dc1 takes jobs now (2 of 2 are down, draining or set aside).",
        ),
        (
            filtered("missing drivers"),
            [node(drivers=("docker",))],
            {},
            "No node of dc1 runs Python packages (driver raw_exec).",
        ),
        (
            filtered("${meta.serai_python} is_set "),
            [node()],
            {},
            "No node of dc1 offers Python packages (the node's metadata serai_python is missing).",
        ),
        (
            filtered("${meta.namespace} set_contains ada"),
            [node()],
            {},
            "No node of dc1 meets the job's condition “${meta.namespace} set_contains ada”.",
        ),
        (filtered("distinct_hosts"), [node()], {}, "The job wants nodes of its own, and dc1 has none left."),
        (filtered("missing network"), [node()], {}, "No node of dc1 has the network that the job's ports need."),
        (
            {"ClassFiltered": {"gpu": 1}},
            [node()],
            {},
            "No node of a fitting class takes the job in dc1 (classes there: gpu).",
        ),
        (
            {"ConstraintFiltered": {"computed class ineligible": 4, "missing drivers": 1}},
            [node(drivers=())],
            {},
            "No node of dc1 runs Python packages (driver raw_exec).",
        ),
        (filtered("computed class ineligible"), [node()], {}, "No node of dc1 can take this job as it is."),
        # Devices: vendor, type and model; attributes; how many are well; what is in use.
        (NO_DEVICES, [node()], {"gpu": Device()}, "dc1 has no GPUs."),
        (
            NO_DEVICES,
            [node(devices=(gpus(),))],
            {"gpu": Device(model="A100")},
            "dc1 has no A100. It has: Tesla T4 (2).",
        ),
        (
            NO_DEVICES,
            [node(devices=(gpus(),))],
            {"gpu": Device(vendor="amd")},
            "dc1 has no amd GPU. It has: Tesla T4 (2).",
        ),
        (
            NO_DEVICES,
            [node(devices=(gpus(),))],
            {"gpu": Device(memory_mb=40_000)},
            "The job asks for a GPU with 40,000 MB of memory; the largest in dc1 has 15,360 MB.",
        ),
        (
            NO_DEVICES,
            [node(devices=(gpus(),))],
            {"gpu": Device(compute_capability=8.0)},
            "The job asks for a GPU of compute capability 8; the best that fits in dc1 has 7.5.",
        ),
        (
            NO_DEVICES,
            [node(devices=(gpus(attributes={}),))],
            {"gpu": Device(compute_capability=8.0)},
            "The job asks for a GPU of compute capability 8; none in dc1 says what it has.",
        ),
        (
            NO_DEVICES,
            [node(devices=(gpus(healthy=1),)), node("dc1-2", devices=(gpus(count=1),))],
            {"gpu": Device(count=2, model="Tesla T4")},
            "The job asks for 2 × Tesla T4 on one node; the most on one node of dc1 is 1 (1 more out of order).",
        ),
        (
            exhausted("devices: no devices match request"),
            [node(devices=(gpus(used=2),))],
            {"gpu": Device(model="Tesla T4")},
            "dc1 has 2 × Tesla T4, and 2 of them are in use.",
        ),
        (NO_DEVICES, [node(devices=(gpus(),))], {}, "No node of dc1 has the devices that the job asks for."),
        (
            NO_DEVICES,
            [node(devices=(gpus(),))],
            {"gpu": Device()},
            "No node of dc1 has a fitting GPU that is free.",
        ),
    ],
)
def test_each_refusal_of_the_scheduler_is_one_plain_sentence(metrics, nodes, asked, sentence):
    assert reason(metrics, nodes, **asked).sentence == sentence


def test_what_is_free_instead_is_advised():
    here = [node(devices=(gpus(used=2), gpus("A100", 1)))]
    found = reason(exhausted("devices: no devices match request"), here, gpu=Device(model="Tesla T4"))
    assert found.advice == "It starts by itself when one is free. Free now: A100 (1)."


def test_nodes_of_other_datacenters_do_not_count():
    found = reason(NO_DEVICES, [node(), node(datacenter="dc2", devices=(gpus(),))], gpu=Device())
    assert found.sentence == "dc1 has no GPUs."


def test_a_reason_brings_what_was_asked_and_what_the_scheduler_counted():
    found = reason(exhausted("memory"), [BUSY], memory_mb=4_000)
    assert found.evidence == {
        "asked": {"cpu_cores": 1.0, "memory_mb": 4_000, "disk_mb": 1_000},
        "scheduler": {"NodesEvaluated": 1, "DimensionExhausted": {"memory": 1}},
        "nodes": 1,
    }


def test_tasks_that_never_run_together_share_their_room_in_the_ask():
    spec = a_spec(
        a_task(resources=Resources(1, 1_000)),
        a_task("packages", lifecycle="prestart", resources=Resources(2, 500)),
        a_task("storage", lifecycle="prestart-sidecar", resources=Resources(0.5, 100)),
    )
    asked = ask_of(job_json(spec))
    assert (asked.cpu_mhz, asked.memory_mb) == (2_500, 1_100)


# ── What a real Nomad said ───────────────────────────────────────────────────────────────────────


def recorded_nodes():
    return [node_facts(one, {}, ()) for one in json.loads((RECORDED / "nodes.list.json").read_text())]


@recorded
@pytest.mark.parametrize(
    ("name", "device", "words"),
    [
        (
            "gpu_model_mismatch",
            Device(model="Tesla V100", vendor="nvidia"),
            "It has: NVIDIA A100-PCIE-40GB (1), Tesla T4 (2)",
        ),
        ("gpu_no_such_vendor", Device(vendor="amd"), "no amd GPU"),
        ("cpu", None, "5.2 cores"),
        ("memory", None, "24,105 MB"),
        ("constraint_meta", None, "condition"),
    ],
)
def test_a_recorded_evaluation_is_explained(name, device, words):
    evaluations = json.loads((RECORDED / f"evaluations.blocked.{name}.json").read_text())
    (metrics,) = evaluations[0]["FailedTGAllocs"].values()
    spec = a_spec(a_task(resources=Resources(64, 10**6, device)), datacenters=("*",))
    found = why_not_placed(metrics, ask_of(job_json(spec, TRUSTED)), recorded_nodes())
    assert words in found.sentence
    assert "missing devices" not in found.sentence


@recorded
def test_a_recorded_unknown_datacenter_is_explained():
    evaluations = json.loads((RECORDED / "evaluations.blocked.datacenter.json").read_text())
    (metrics,) = evaluations[0]["FailedTGAllocs"].values()
    assert why_not_placed(metrics, ask(), recorded_nodes()).sentence == "There is no node in dc1."


@recorded
def test_a_recorded_node_with_gpus_is_read():
    by_name = {one.name: one for one in recorded_nodes()}
    first, second = by_name["eu-a1"].devices
    assert (first.model, first.count, first.healthy, first.memory_mb) == ("Tesla T4", 2, 1, 15_360)
    assert (second.model, second.memory_mb) == ("NVIDIA A100-PCIE-40GB", 40_960)
    assert by_name["eu-a1"].cpu_cores == 2
    assert by_name["eu-a1"].drivers == ("docker", "raw_exec")


@recorded
def test_a_recorded_allocation_holds_its_gpu():
    held = json.loads((RECORDED / "alloc.get.with_gpu.json").read_text())
    listed = next(one for one in json.loads((RECORDED / "nodes.list.json").read_text()) if one["ID"] == held["NodeID"])
    used = {group.model: group.used for group in node_facts(listed, {}, [held]).devices}
    assert used == {"Tesla T4": 0, "NVIDIA A100-PCIE-40GB": 1}
