"""Who sees what of a machine."""

import re

import pytest

from dashboard import nodes
from datacenters.models import Node

pytestmark = pytest.mark.django_db


def test_its_page_names_the_deployments_that_one_may_see_and_sums_up_the_others(node, running, read):
    page = read("vera", f"/nodes/{node.pk}/")
    assert f'href="/deployments/{running.pk}/"' in page
    assert "1 other job" in page
    assert "Failed to connect to docker daemon" in page
    assert "Tesla T4" in page


def test_who_is_outside_sees_what_is_free_and_no_name(node, running, read):
    page = read("eve", f"/nodes/{node.pk}/")
    assert "2 other jobs" in page
    assert "My digits" not in page
    assert "Analytical Engine" not in page
    assert "2.5" in page  # cores that are free
    assert "serai_python" not in page


def test_operators_hear_whose_a_deployment_is_and_may_not_open_it(node, running, read):
    page = read("grace", f"/nodes/{node.pk}/")
    assert "Analytical Engine" in page
    assert "My digits" not in page
    assert str(running.pk) not in page
    assert "serai_python" in page


def test_the_page_of_a_datacenter_leads_to_its_nodes(node, read):
    assert f'href="/nodes/{node.pk}/"' in read("eve", "/datacenters/ifca/")


def test_a_node_of_a_datacenter_that_is_switched_off_is_shown_to_operators_alone(node, client, eve, read):
    node.datacenter.enabled = False
    node.datacenter.save()
    client.force_login(eve)
    assert client.get(f"/nodes/{node.pk}/").status_code == 404
    assert node.name in read("grace", f"/nodes/{node.pk}/")


def test_by_rest_everyone_lists_nodes_and_reads_one(node, running, client, bearer, who):
    listed = client.get("/api/v1/nodes?datacenter=ifca", headers=bearer(who("eve"))).json()
    assert (listed["count"], listed["items"][0]["id"]) == (1, str(node.pk))
    assert (listed["items"][0]["cpu_cores"], listed["items"][0]["cpu_cores_free"]) == (4, 2.5)
    assert client.get("/api/v1/nodes?datacenter=nowhere", headers=bearer(who("eve"))).json()["count"] == 0
    whole = client.get(f"/api/v1/nodes/{node.pk}", headers=bearer(who("bob"))).json()
    assert [one["deployment"] for one in whole["deployments"]] == [str(running.pk)]
    assert whole["others"] == {"jobs": 1, "uses": {"cpu_cores": 1, "memory_mb": 2_000, "disk_mb": 1_000, "gpus": 1}}
    assert (whole["devices"][0]["free"], whole["devices"][0]["mig"]) == (1, "")
    told = client.get(f"/api/v1/nodes/{node.pk}", headers=bearer(who("grace"))).json()["deployments"][0]
    assert (told["deployment"], told["title"], told["project"]) == (None, None, "engine")


def test_a_slice_of_a_gpu_is_named(node, read):
    node.devices[0]["model"] = "NVIDIA A100-SXM4-40GB MIG 1g.5gb"
    node.save()
    assert re.search(r"Slice \(MIG\)</dt>\s*<dd>1g.5gb", read("eve", f"/nodes/{node.pk}/"))


def test_a_page_asks_in_as_many_queries_for_many_jobs_as_for_one(node, read, django_assert_max_num_queries):
    Node.objects.filter(pk=node.pk).update(held=node.held * 100)
    with django_assert_max_num_queries(25):
        read("grace", f"/nodes/{node.pk}/")


def test_a_datacenter_sums_up_what_each_project_holds_of_it(node, running, read, who):
    (engine, others) = nodes.use_by_project(node.datacenter, who("bob"))
    assert (engine.project.slug, engine.jobs, engine.use.cpu_cores) == ("engine", 1, 0.5)
    assert (others.project, others.jobs, others.use.gpus) == (None, 1, 1)
    (everything,) = nodes.use_by_project(node.datacenter, who("eve"))
    assert (everything.project, everything.jobs, everything.use.cpu_cores) == (None, 2, 1.5)
    assert "Analytical Engine" in read("bob", "/datacenters/ifca/")
    assert "Analytical Engine" not in read("eve", "/datacenters/ifca/")
