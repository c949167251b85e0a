"""Where requests go: each refusal and each choice says why, with numbers."""

from datetime import UTC, datetime

import pytest

from datacenters.capacity import Capacity, DeviceCapacity, NodeCapacity, Window
from datacenters.jobspec import Runtime
from jobs.placement import Needs, plan
from jobs.requests import DeployRequest, ResourceRequest

PACKAGE, IMAGE = Needs((Runtime.PACKAGE,)), Needs((Runtime.CONTAINER,))
BOTH = Needs((Runtime.CONTAINER, Runtime.PACKAGE))
NOON = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


def node(cores=8, free_cores=8, memory=16_000, free_memory=16_000, devices=(), **more):
    values = {"id": "n", "name": "n", "ready": True, "offers_packages": True, "offers_containers": True} | more
    sizes = {"disk_mb": 100_000, "free_disk_mb": 100_000}
    return NodeCapacity(
        cpu_cores=cores,
        free_cpu_cores=free_cores,
        memory_mb=memory,
        free_memory_mb=free_memory,
        devices=tuple(devices),
        **(values | sizes),
    )


def t4(total=1, free=1, healthy=None, memory=16_000, **more):
    healthy = total if healthy is None else healthy
    return DeviceCapacity("nvidia", "gpu", "Tesla T4", total, healthy, free, memory, 7.5, **more)


def place(name, *nodes, **more):
    values = {
        "nomad_name": name,
        "title": name.title(),
        "cluster": name,
        "local": False,
        "offers_packages": True,
        "offers_containers": True,
        "simulated_devices": False,
        "as_of": NOON,
    } | more
    return Capacity(name=name, nodes=nodes, **values)


def ask(datacenter=None, prefer=(), exclude=(), **resources):
    return DeployRequest(
        asset="m",
        title="m",
        project="p",
        resources=ResourceRequest(**resources),
        datacenter=datacenter,
        prefer=prefer,
        exclude=exclude,
    )


def names(found):
    return [choice.datacenter for choice in found.choices]


def test_what_is_free_starts_now_and_says_so():
    found = plan(ask(cpu_cores=2, memory_mb=4_000), PACKAGE, [place("ifca", node(free_cores=3, free_memory=5_000))])
    assert found.starts_now
    assert "3 CPU cores, 5,000 MB of memory" in found.choices[0].sentence


def test_what_is_taken_now_waits_and_says_how_much_is_lacking():
    found = plan(ask(memory_mb=8_000), PACKAGE, [place("ifca", node(free_memory=1_500))])
    assert not found.starts_now
    assert "8,000 MB of memory asked, 1,500 of 16,000 free" in found.choices[0].sentence


def test_what_starts_now_comes_before_what_waits_even_if_that_is_preferred():
    full, free = place("full", node(free_cores=0)), place("free", node())
    assert names(plan(ask(prefer=("full",)), PACKAGE, [full, free])) == ["free", "full"]


def test_among_those_that_start_now_the_preferred_comes_first():
    a, b = place("a", node()), place("b", node(free_cores=4))
    assert names(plan(ask(), PACKAGE, [a, b])) == ["a", "b"]
    assert names(plan(ask(prefer=("b",)), PACKAGE, [a, b])) == ["b", "a"]


def test_a_job_without_gpu_leaves_the_gpu_site_to_others():
    gpus, plain = place("gpus", node(devices=[t4()])), place("plain", node(free_cores=4))
    assert names(plan(ask(), PACKAGE, [gpus, plain])) == ["plain", "gpus"]


def test_a_job_larger_than_any_machine_is_refused_naming_the_largest():
    found = plan(ask(memory_mb=64_000), PACKAGE, [place("small", node()), place("big", node(memory=32_000))])
    assert found.choices == ()
    assert [error.pointer for error in found.errors] == ["#/resources/memory_mb"]
    assert "64,000 MB" in found.errors[0].detail
    assert "Big, has 32,000 MB" in found.errors[0].detail
    assert "Big, has 8 CPU cores, 32,000 MB" in found.largest
    assert [refusal.sentence for refusal in found.refusals] == [
        "64,000 MB of memory asked, its largest machine has 16,000.",
        "64,000 MB of memory asked, its largest machine has 32,000.",
    ]


def test_machines_that_only_together_would_do_are_not_enough():
    wide, tall = node(cores=64, free_cores=64, memory=1_000), node(cores=1, memory=64_000)
    found = plan(ask(cpu_cores=32, memory_mb=32_000), PACKAGE, [place("odd", wide, tall)])
    assert found.errors[0].pointer == "#/resources"
    assert "No single machine" in found.errors[0].detail


@pytest.mark.parametrize(
    ("devices", "asked", "says"),
    [
        ((), {"gpus": 1}, "1 GPU asked, it has no GPU."),
        ([t4()], {"gpus": 1, "gpu_model": "A100"}, "1 A100 asked, it has Tesla T4, 16,000 MB (1)."),
        ([t4()], {"gpus": 1, "gpu_vendor": "amd"}, "1 amd GPU asked, it has Tesla T4, 16,000 MB (1)."),
        ([t4()], {"gpus": 1, "gpu_memory_mb": 40_000}, "1 GPU (40,000 MB) asked, its GPUs have less"),
        ([t4()], {"gpus": 1, "gpu_compute_capability": 8.0}, "(compute capability 8) asked, its GPUs have less"),
        ([t4(4, healthy=2)], {"gpus": 3}, "3 GPU asked, one machine has at most 2 that work."),
    ],
)
def test_a_gpu_that_cannot_be_had_is_explained_step_by_step(devices, asked, says):
    found = plan(ask(**asked), PACKAGE, [place("ifca", node(devices=devices))])
    assert says in found.refusals[0].sentence
    assert found.errors[0].pointer == "#/resources/gpus"


def test_a_gpu_in_use_is_waited_for():
    found = plan(ask(gpus=1), PACKAGE, [place("ifca", node(devices=[t4(2, free=0)]))])
    assert not found.starts_now
    assert "1 Tesla T4 asked, 0 of 2 free" in found.choices[0].sentence


def test_an_image_does_not_go_where_only_packages_run():
    found = plan(ask(), IMAGE, [place("local", node(), offers_containers=False)])
    assert "needs containers, which this datacenter does not offer" in found.refusals[0].sentence
    assert found.errors[0].pointer == "#/module"


def test_a_folder_beside_serai_is_only_seen_by_the_local_datacenter():
    needs = Needs((Runtime.PACKAGE,), local_package=True)
    found = plan(ask(), needs, [place("far", node()), place("local", node(), local=True)])
    assert names(found) == ["local"]
    assert "only the local datacenter can see" in found.refusals[0].sentence


def test_an_image_is_taken_before_a_package_where_both_run():
    assert plan(ask(), BOTH, [place("a", node())]).choices[0].runtime is Runtime.CONTAINER
    assert plan(ask(), BOTH, [place("a", node(), offers_containers=False)]).choices[0].runtime is Runtime.PACKAGE


def test_a_site_that_does_not_answer_is_the_last_choice_but_one():
    silent = place("silent", node(), unreachable_since=NOON)
    found = plan(ask(), PACKAGE, [silent, place("full", node(free_cores=0))])
    assert names(found) == ["full", "silent"]
    assert "does not answer since 12:00" in found.choices[1].sentence


def test_a_machine_that_is_drained_takes_the_job_later():
    found = plan(ask(), PACKAGE, [place("a", node(ready=False))])
    assert not found.starts_now
    assert "take no new jobs now" in found.choices[0].sentence


def test_the_datacenter_that_was_asked_for_is_the_only_one():
    a, b = place("a", node()), place("b", node())
    assert names(plan(ask(datacenter="b"), PACKAGE, [a, b])) == ["b"]
    assert plan(ask(datacenter="z"), PACKAGE, [a, b]).errors[0].pointer == "#/datacenter"


def test_what_is_excluded_is_no_choice():
    a, b = place("a", node()), place("b", node())
    assert names(plan(ask(exclude=("a",)), PACKAGE, [a, b])) == ["b"]
    assert plan(ask(exclude=("a", "b")), PACKAGE, [a, b]).errors[0].pointer == "#/exclude"


def test_without_any_datacenter_the_operator_is_asked_for():
    assert "operator" in plan(ask(), PACKAGE, []).errors[0].detail


# ── What operators say of a place ────────────────────────────────────────────────────────────────
COOLING = Window(NOON, NOON.replace(hour=18), "new cooling")


def test_a_place_that_is_for_other_projects_is_refused_and_ones_own_comes_first():
    theirs = place("a", node(), projects=frozenset({"q"}), only_projects=True)
    own, all_ours = place("c", node(), projects=frozenset({"p"})), place("b", node())
    found = plan(ask(), PACKAGE, [theirs, all_ours, own])
    assert names(found) == ["c", "b"]
    assert found.refusals[0].sentence == "It takes the jobs of other projects only. Its operator says whose."


def test_a_place_that_is_for_ones_own_projects_takes_their_jobs():
    assert names(plan(ask(), PACKAGE, [place("a", node(), projects=frozenset({"p"}), only_projects=True)])) == ["a"]


def test_a_place_in_maintenance_takes_nothing_new_and_says_until_when():
    found = plan(ask(), PACKAGE, [place("ifca", node(), maintenance=COOLING, in_maintenance=True)])
    assert names(found) == []
    assert found.errors[0].pointer == "#/datacenter"
    assert "new cooling" in found.errors[0].detail


def test_maintenance_of_the_next_day_is_said_before_the_click():
    found = plan(ask(), PACKAGE, [place("ifca", node(), maintenance=COOLING)])
    assert found.starts_now
    assert "Maintenance begins there on 2026-05-01" in found.choices[0].sentence
