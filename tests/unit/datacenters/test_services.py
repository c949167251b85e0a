"""Clusters as rows: what their nodes said, how old it is, and what is free."""

import uuid
from dataclasses import replace

import pytest

from datacenters import services
from datacenters.capacity import DeviceCapacity
from datacenters.models import Cluster, Datacenter, Node
from datacenters.nomad import GUARDED, TRUSTED

from .border import a_border, says

NODE, OTHER = (str(uuid.UUID(int=number)) for number in (1, 2))
PACKAGES = {"serai_python": "/usr/bin/python3", "serai_uv": "/usr/bin/uv"}
AGENT = {"config": {"Version": {"Version": "2.0.6"}}}


def listed(node_id=NODE, datacenter="dc1", drivers=("raw_exec",), **changes):
    works = {"Detected": True, "Healthy": True}
    gpu = {"Vendor": "nvidia", "Type": "gpu", "Name": "Tesla T4", "Instances": [{"ID": "a", "Healthy": True}] * 2}
    attributes = {"memory": {"Int": 15, "Unit": "GiB"}, "cuda_compute_capability": {"String": "7.5"}}
    resources = {
        "Cpu": {"CpuShares": 10_000, "TotalCpuCores": 4},
        "Memory": {"MemoryMB": 16_000},
        "Disk": {"DiskMB": 100_000},
        "Devices": [gpu | {"Attributes": attributes}],
    }
    given = {"ID": node_id, "Name": f"node-{datacenter}", "Datacenter": datacenter, "Status": "ready", "ModifyIndex": 1}
    return {
        **given,
        "Drivers": dict.fromkeys(drivers, works),
        "NodeResources": resources,
        "ReservedResources": {"Memory": {"MemoryMB": 1_000}},
        **changes,
    }


def held(node_id=NODE, cpu=2_000, memory=4_000, devices=1):
    device = {"Vendor": "nvidia", "Type": "gpu", "Name": "Tesla T4", "DeviceIDs": ["a"] * devices}
    task = {"Cpu": {"CpuShares": cpu}, "Memory": {"MemoryMB": memory}, "Devices": [device]}
    resources = {"Tasks": {"main": task}, "Shared": {"DiskMB": 5_000}}
    return {"NodeID": node_id, "ClientStatus": "running", "AllocatedResources": resources}


@pytest.fixture
def border():
    """A cluster with one node in dc1 that runs packages, with one job on it."""
    answers = {"acl__token__self": says(200, {}), "agent__self": says(200, AGENT), "namespaces": says(200, [])}
    with a_border(**answers, nodes=says(200, [listed()]), allocations=says(200, [held()])) as border:
        for node_id in (NODE, OTHER):
            border.answers[f"node/{node_id}"] = says(200, {"Meta": PACKAGES})
        yield border


@pytest.fixture
def cluster(db, border):
    return Cluster.objects.create(name="lab", address=border.address, trusted_for_tests=True)


def test_what_nodes_say_is_written_down(cluster):
    assert services.refresh(cluster)
    cluster.refresh_from_db()
    assert (cluster.version, cluster.problem, cluster.unreachable_since) == ("2.0.6", "", None)
    assert cluster.reached is not None
    datacenter = Datacenter.objects.get()
    assert (datacenter.name, datacenter.nomad_name) == ("dc1", "dc1")
    assert (datacenter.offers_packages, datacenter.offers_containers) == (True, False)
    assert not datacenter.simulated_devices
    assert Node.objects.get().memory_mb == 15_000


def test_what_is_free_is_what_nobody_holds(cluster):
    services.refresh(cluster)
    (capacity,) = services.capacities()
    assert capacity.reachable
    assert (capacity.name, capacity.cluster, capacity.local) == ("dc1", "lab", False)
    (node,) = capacity.ready_nodes
    assert (node.memory_mb, node.free_memory_mb) == (15_000, 11_000)
    assert (node.disk_mb, node.free_disk_mb) == (100_000, 95_000)
    assert (node.offers_packages, node.offers_containers) == (True, False)
    assert node.devices == (DeviceCapacity("nvidia", "gpu", "Tesla T4", 2, 2, 1, 15_360, 7.5),)


def test_a_fast_node_never_shows_more_cores_than_it_has(cluster, border):
    services.refresh(cluster)
    (node,) = services.capacities()[0].nodes
    assert (node.cpu_cores, node.free_cpu_cores) == (4, 4)
    border.answers["allocations"] = says(200, [held(cpu=8_500)])
    services.refresh(cluster)
    assert services.capacities()[0].nodes[0].free_cpu_cores == 1.5


def test_a_cluster_that_does_not_answer_keeps_its_last_good_figures(cluster, border):
    services.refresh(cluster)
    border.answers["nodes"] = says(500, "No cluster leader")
    assert not services.refresh(cluster)
    (capacity,) = services.capacities()
    assert not capacity.reachable
    assert "No cluster leader" in capacity.problem
    assert len(capacity.nodes) == 1
    since = capacity.unreachable_since
    services.refresh(cluster)
    assert services.capacities()[0].unreachable_since == since


def test_a_cluster_that_is_back_is_reachable_again(cluster, border):
    border.answers["nodes"] = says(500, "No cluster leader")
    services.refresh(cluster)
    border.answers["nodes"] = says(200, [listed()])
    services.refresh(cluster)
    (capacity,) = services.capacities()
    assert capacity.reachable
    assert capacity.problem == ""


def test_a_cluster_never_reached_has_no_capacity_to_speak_of(cluster, border):
    border.answers["nodes"] = says(500, "No cluster leader")
    services.refresh(cluster)
    assert services.capacities() == ()


def test_a_node_that_is_gone_is_gone_but_its_datacenter_stays(cluster, border):
    border.answers["nodes"] = says(200, [listed(), listed(OTHER, "dc2")])
    services.refresh(cluster)
    border.answers["nodes"] = says(200, [listed()])
    services.refresh(cluster)
    assert [str(node.pk) for node in Node.objects.all()] == [NODE]
    assert {row.name for row in Datacenter.objects.all()} == {"dc1", "dc2"}


@pytest.mark.parametrize(
    "changes",
    [{"Status": "down"}, {"Drain": True}, {"SchedulingEligibility": "ineligible"}, {"Status": "disconnected"}],
)
def test_a_node_that_takes_no_jobs_is_shown_but_not_ready(cluster, border, changes):
    border.answers["nodes"] = says(200, [listed(**changes)])
    services.refresh(cluster)
    (capacity,) = services.capacities()
    assert len(capacity.nodes) == 1
    assert capacity.ready_nodes == ()


def test_packages_need_a_python_on_the_node_and_the_right_driver(cluster, border):
    border.answers[f"node/{NODE}"] = says(200, {"Meta": {}})
    services.refresh(cluster)
    assert not services.capacities()[0].offers_packages
    border.answers[f"node/{NODE}"] = says(200, {"Meta": PACKAGES})
    border.answers["nodes"] = says(200, [listed(drivers=("docker",), ModifyIndex=2)])
    services.refresh(cluster)
    (capacity,) = services.capacities()
    assert (capacity.offers_packages, capacity.offers_containers) == (False, True)


def test_a_cluster_that_is_not_trusted_runs_packages_only_confined(cluster):
    Cluster.objects.update(trusted_for_tests=False)
    cluster.refresh_from_db()
    services.refresh(cluster)
    assert not services.capacities()[0].offers_packages  # its node has raw_exec, but no exec


def test_simulated_devices_are_marked(cluster, border):
    border.answers[f"node/{NODE}"] = says(200, {"Meta": PACKAGES | {"serai_simulated_devices": "true"}})
    services.refresh(cluster)
    assert services.capacities()[0].simulated_devices


def test_two_clusters_may_use_the_same_name(cluster, border):
    other = Cluster.objects.create(name="north", address=border.address, token="other", trusted_for_tests=True)
    services.refresh(cluster)
    border.answers["nodes"] = says(200, [listed(OTHER)])
    services.refresh(other)
    assert {(row.name, row.nomad_name) for row in Datacenter.objects.all()} == {("dc1", "dc1"), ("north-dc1", "dc1")}


def test_what_is_switched_off_is_not_offered(cluster):
    services.refresh(cluster)
    Datacenter.objects.update(enabled=False)
    assert services.capacities() == ()
    Datacenter.objects.update(enabled=True)
    Cluster.objects.update(enabled=False)
    assert services.capacities() == ()


def test_an_adapter_is_kept_as_long_as_its_row_says_the_same(cluster):
    adapter = services.adapter_for(cluster)
    assert services.adapter_for(Cluster.objects.get()) is adapter
    cluster.token = "another"
    assert services.adapter_for(cluster) is not adapter


def test_only_local_and_trusted_clusters_run_packages_unconfined(cluster):
    assert services.adapter_for(cluster).drivers == TRUSTED
    cluster.trusted_for_tests = False
    assert services.adapter_for(cluster).drivers == GUARDED
    cluster.local = True
    assert services.adapter_for(cluster).drivers == TRUSTED


def test_a_clusters_own_authority_is_trusted_by_a_file_of_its_own(db, settings, tmp_path):
    settings.SERAI_DATA = tmp_path
    cluster = Cluster(name="tls", address="https://127.0.0.1:1", ca_certificate="-----BEGIN CERTIFICATE-----")
    services.adapter_for(cluster)
    (file,) = (tmp_path / "clusters").iterdir()
    assert file.read_text() == cluster.ca_certificate


def test_the_local_datacenter_is_registered_with_todays_address(db, settings, tmp_path):
    settings.SERAI_LOCAL_TOKEN_FILE = tmp_path / "token"
    settings.SERAI_LOCAL_URL = "http://127.0.0.1:5001"
    assert services.register_local() is None
    settings.SERAI_LOCAL_TOKEN_FILE.write_text("the-token\n")
    first = services.register_local()
    settings.SERAI_LOCAL_URL = "http://127.0.0.1:5002"
    second = services.register_local()
    assert first.pk == second.pk
    row = Cluster.objects.get()
    assert (row.name, row.address, row.token, row.local) == ("local", "http://127.0.0.1:5002", "the-token", True)


def test_an_installation_without_a_local_datacenter_has_none(db, settings):
    settings.SERAI_LOCAL_URL = ""
    assert services.register_local() is None
    assert not Cluster.objects.exists()


def test_the_real_local_datacenter_shows_what_this_machine_has(db, settings, tmp_path, local_agent):
    settings.SERAI_LOCAL_URL = local_agent.address
    settings.SERAI_LOCAL_TOKEN_FILE = tmp_path / "token"
    settings.SERAI_LOCAL_TOKEN_FILE.write_text(local_agent.token)
    assert services.refresh(services.register_local())
    (capacity,) = services.capacities()
    assert (capacity.name, capacity.local, capacity.offers_packages) == (local_agent.datacenter, True, True)
    assert capacity.nodes[0].memory_mb > 500
    assert replace(capacity, nodes=()).ready_nodes == ()


def test_storages_are_attached_where_nodes_say_how_and_only_where_a_task_sees_their_folders(cluster, border):
    def offered():
        services.refresh(cluster)
        (capacity,) = services.capacities()
        return capacity.copies_storages, capacity.mounts_storages

    assert offered() == (False, False)
    storing = {**PACKAGES, "serai_rclone": "/usr/bin/rclone", "serai_mounts_root": "/srv/mounts"}
    border.answers[f"node/{NODE}"] = says(200, {"Meta": storing})
    border.answers["nodes"] = says(200, [listed(ModifyIndex=2)])
    assert offered() == (True, False)
    border.answers[f"node/{NODE}"] = says(200, {"Meta": {**storing, "serai_fuse": "true"}})
    border.answers["nodes"] = says(200, [listed(ModifyIndex=3)])
    assert offered() == (True, True)
    cluster.trusted_for_tests = False  # tasks run in a chroot there
    cluster.save()
    border.answers["nodes"] = says(200, [listed(drivers=("exec", "raw_exec"), ModifyIndex=4)])
    assert offered() == (False, False)


def test_a_node_says_how_it_is_and_what_each_job_holds_of_it(cluster, border):
    ill = {"Detected": True, "Healthy": False, "HealthDescription": "Failed to connect to docker daemon"}
    drained = listed(drivers=("raw_exec",), Drain=True, SchedulingEligibility="ineligible", Version="2.0.6")
    drained["Drivers"] = {**drained["Drivers"], "docker": ill}
    border.answers["nodes"] = says(200, [drained])
    border.answers["allocations"] = says(200, [held() | {"ID": "a1", "JobID": "somebody's"}])
    services.refresh(cluster)
    node = Node.objects.get()
    assert (node.status, node.ready, node.eligible, node.draining, node.version) == (
        "ready",
        False,
        False,
        True,
        "2.0.6",
    )
    assert node.driver_health[0] == {"name": "docker", "healthy": False, "description": ill["HealthDescription"]}
    assert node.meta == PACKAGES
    same = {"allocation_id": "a1", "job_id": "somebody's", "devices": {"Tesla T4": 1}}
    assert node.held == [{**same, "cpu_mhz": 2_000, "memory_mb": 4_000, "disk_mb": 5_000}]


def test_however_many_nodes_there_are_they_are_written_in_few_queries(cluster, border, django_assert_max_num_queries):
    many = [listed(str(uuid.UUID(int=number))) for number in range(1, 201)]
    border.answers["nodes"] = says(200, many)
    border.otherwise = says(200, {"Meta": PACKAGES})
    for _first_and_again in range(2):
        with django_assert_max_num_queries(30):
            services.refresh(cluster)
    assert Node.objects.count() == 200
