"""All datacenters with their machines and what runs there, for operators."""

import uuid

import pytest
from django.test import Client

from datacenters.models import Datacenter, Node

pytestmark = pytest.mark.django_db


def test_operators_see_each_machine_and_whose_deployments_are_there(node, running, read):
    page = read("grace", "/topology/")
    assert page.index("ifca") < page.index(f'href="/nodes/{node.pk}/"') < page.index("Analytical Engine")
    assert "1 other job" in page
    assert "My digits" not in page  # she may not open it
    assert "1 / 2" in page  # GPUs free


def test_a_machine_that_takes_nothing_new_says_so(node, read):
    Node.objects.update(ready=False, draining=True)
    assert "is being emptied" in read("grace", "/topology/")


def test_others_are_not_let_in(node, who):
    client = Client()
    client.force_login(who("ada"))
    assert client.get("/topology/").status_code == 403


def test_two_hundred_machines_take_as_many_queries_as_one(node, read, django_assert_max_num_queries):
    rows = Node.objects.filter(pk=node.pk).values().get()
    names = {"held": node.held * 2, "devices": node.devices}
    place = Datacenter.objects.create(name="large", cluster=node.datacenter.cluster, nomad_name="large")
    many = [rows | names | {"id": uuid.UUID(int=n), "name": f"n{n}", "datacenter_id": place.pk} for n in range(200)]
    Node.objects.bulk_create(Node(**one) for one in many)
    with django_assert_max_num_queries(30):
        page = read("grace", "/topology/")
    assert page.count("topology-node") >= 201
