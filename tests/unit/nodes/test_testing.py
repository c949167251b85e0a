"""Machines are tested on demand and weekly; where only those that passed take jobs, the others take none."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from django.utils import timezone

from datacenters.interface import JobRejected, Unreachable
from datacenters.models import Cluster, Node, NodeTest
from datacenters.node_tests import asking, findings
from datacenters.node_tests import running as tests
from datacenters.node_tests.job import jobs_of
from datacenters.node_tests.models import Outcome
from datacenters.nomad.render import job_json
from jobs import services
from jobs.compilers import CannotCompile, compile_deployment
from jobs.refusals import RequestRefused
from tests.unit.datacenters.border import a_border, says

pytestmark = pytest.mark.django_db
COMPLETE = {
    "serai_python": "/usr/bin/python3",
    "serai_uv": "/usr/bin/uv",
    "serai_packages_root": "/srv/p",
    "serai_storage_root": "/srv/s",
}


@pytest.fixture
def grace_client(who):
    client = Client()
    client.force_login(who("grace"))
    return client


@pytest.fixture
def only_tested(node):
    Cluster.objects.update(only_tested=True)
    return node


# ── Asking ───────────────────────────────────────────────────────────────────────────────────────
def test_asking_twice_is_one_test(node, grace_client, who):
    for _twice in range(2):
        answer = grace_client.post(f"/nodes/{node.pk}/tests", follow=True)
    assert "asked for by" in answer.content.decode()
    assert NodeTest.objects.get().asked_by == who("grace")


def test_by_rest(node, client, bearer, who):
    address = f"/api/v1/nodes/{node.pk}/tests"
    asked = client.post(address, headers=bearer(who("grace")))
    assert (asked.status_code, asked.json()["outcome"]) == (202, "waiting")
    found = client.get(address, headers=bearer(who("eve"))).json()
    assert (found["count"], found["items"][0]["id"]) == (1, asked.json()["id"])


def test_each_week_what_answers_is_tested_once(node, settings):
    assert asking.ask_due() == 1
    assert asking.ask_due() == 0
    NodeTest.objects.update(outcome=Outcome.PASSED, asked=timezone.now() - timedelta(days=8))
    Cluster.objects.update(unreachable_since=timezone.now())
    assert asking.ask_due() == 0
    Cluster.objects.update(unreachable_since=None)
    settings.NODE_TEST_DAYS = 0
    assert asking.ask_due() == 0
    settings.NODE_TEST_DAYS = 7
    assert asking.ask_due() == 1


def test_the_command_asks_and_names_what_is_not_there(node, capsys):
    call_command("test_nodes", "ifca", "--wait=0")
    assert "1 machines" in capsys.readouterr().out
    with pytest.raises(CommandError, match="no datacenter nowhere"):
        call_command("test_nodes", "nowhere")
    with pytest.raises(CommandError, match="have not ended"):
        call_command("test_nodes", "--wait=1")


# ── What is known without a job ──────────────────────────────────────────────────────────────────
def test_metadata_that_is_incomplete_is_named(node):
    node.meta = {"serai_python": "/usr/bin/python3"}
    found = {one.name: one for one in findings.known(node)}
    assert found["metadata"].ok is False
    assert "serai_uv, serai_packages_root, serai_storage_root" in found["metadata"].sentence
    node.meta = COMPLETE
    assert next(findings.known(node)).ok is True


def test_a_machine_without_a_healthy_driver_fails_with_what_it_says_itself(node):
    node.drivers, node.meta = [], COMPLETE
    drivers = next(one for one in findings.known(node) if one.name == "drivers")
    assert drivers.ok is False
    assert "Failed to connect to docker daemon" in drivers.sentence
    assert list(jobs_of(NodeTest(node=node))) == []


def test_what_came_from_outside_is_taken_only_in_its_form():
    odd = [
        None,
        3,
        {"name": "python"},
        {"name": "<script>", "ok": True},
        {"name": "gpu", "ok": False, "detail": "x" * 999},
    ]
    (found,) = findings.told(odd)
    assert (found.name, found.ok) == ("gpu", False)
    assert len(found.sentence) < 400
    assert list(findings.told("all is well")) == []


# ── The job ──────────────────────────────────────────────────────────────────────────────────────
def test_a_test_runs_on_its_node_alone_and_asks_for_a_gpu_where_one_is_free(node):
    node.meta = COMPLETE
    (spec,) = jobs_of(NodeTest(node=node))
    job = job_json(spec)
    condition = {"LTarget": "${node.unique.id}", "Operand": "set_contains_any", "RTarget": str(node.pk)}
    assert condition in job["Constraints"]
    assert job["TaskGroups"][0]["Tasks"][0]["Resources"]["Devices"][0]["Count"] == 1
    node.devices[0]["used"] = 2
    (spec,) = jobs_of(NodeTest(node=node))
    assert "Devices" not in job_json(spec)["TaskGroups"][0]["Tasks"][0]["Resources"]
    gpu = next(one for one in findings.known(node) if one.name == "gpu")
    assert (gpu.ok, "in use" in gpu.sentence) == (None, True)


def test_a_machine_without_a_python_for_packages_gets_no_job_that_would_wait_for_one(node):
    node.meta = {}
    assert list(jobs_of(NodeTest(node=node))) == []


def test_containers_are_tested_by_an_image(node):
    node.drivers, node.datacenter.offers_containers = ["docker"], True
    (spec,) = jobs_of(NodeTest(node=node))
    assert job_json(spec)["TaskGroups"][0]["Tasks"][0]["Config"]["image"] == "busybox:stable"


# ── A cluster that does not do as it should ──────────────────────────────────────────────────────
def turned(node, **answers):
    test = asking.ask(node, None)
    with a_border(**answers) as border:
        Cluster.objects.update(address=border.address)
        tests.turn(Cluster.objects.get())
    test.refresh_from_db()
    return test


def test_without_the_right_to_make_the_namespace_the_operator_reads_what_to_run(node):
    denied = says(403, "Permission denied")
    Node.objects.update(meta=COMPLETE)
    test = turned(node, namespaces=says(200, []), namespace=denied)
    assert test.outcome == Outcome.NOT_TRIED
    assert "nomad namespace apply serai-node-tests" in test.findings[-1]["sentence"]
    node.refresh_from_db()
    assert node.passed is None


def test_a_job_that_is_refused_fails_the_test(node):
    names = says(200, [{"Name": "serai-node-tests"}])
    test = turned(node, namespaces=names, jobs=says(500, "driver not allowed"))
    assert (test.outcome, test.findings[-1]["name"]) == (Outcome.FAILED, "job")
    assert "driver not allowed" in test.findings[-1]["sentence"]


def test_a_silent_cluster_leaves_the_test_waiting_and_not_for_ever(node):
    with pytest.raises(Unreachable):
        turned(node, namespaces=says(500, "No cluster leader"))
    assert NodeTest.objects.get().outcome == Outcome.WAITING
    NodeTest.objects.update(asked=timezone.now() - timedelta(hours=2))
    tests.turn(Cluster.objects.get())
    assert NodeTest.objects.get().outcome == Outcome.NOT_TRIED


def test_a_machine_that_takes_no_jobs_is_not_tried(node):
    Node.objects.update(ready=False)
    assert turned(node).outcome == Outcome.NOT_TRIED


def test_a_few_are_tested_at_once_and_the_last_results_are_kept(node):
    rows = Node.objects.filter(pk=node.pk).values().get()
    many = [rows | {"id": f"00000000-0000-4000-8000-0000000000{number:02}", "ready": True} for number in range(10)]
    Node.objects.bulk_create(Node(**one) for one in many)
    asking.ask_due()
    names = says(200, [{"Name": "serai-node-tests"}])
    with a_border(namespaces=names, jobs=says(200, {"JobModifyIndex": 1})) as border:
        Cluster.objects.update(address=border.address)
        tests.turn(Cluster.objects.get())
    assert NodeTest.objects.filter(outcome=Outcome.RUNNING).count() == tests.AT_ONCE
    old = [NodeTest(node=node, outcome=Outcome.PASSED, asked=timezone.now() - timedelta(days=n)) for n in range(1, 40)]
    NodeTest.objects.filter(node=node).delete()
    NodeTest.objects.bulk_create(old)
    tests._close(asking.ask(node, None), [])
    assert NodeTest.objects.filter(node=node).count() == tests.KEPT


# ── Only machines that passed ────────────────────────────────────────────────────────────────────
def test_where_none_has_passed_nothing_is_deployed_and_the_form_says_why(only_tested, digits, ask, ada):
    with pytest.raises(RequestRefused) as refused:
        services.deploy(ask(), owner=ada)
    assert "passed their tests" in refused.value.errors[0].detail


def test_jobs_go_only_to_machines_that_passed(running, only_tested):
    with pytest.raises(CannotCompile, match="none has"):
        compile_deployment(running)
    Node.objects.filter(pk=only_tested.pk).update(passed=True)
    spec, _secrets = compile_deployment(running)
    assert spec.nodes == (str(only_tested.pk),)
    Cluster.objects.update(only_tested=False)
    running.datacenter.cluster.refresh_from_db()
    assert compile_deployment(running)[0].nodes is None


def test_a_machine_that_has_not_passed_says_so(only_tested, read):
    assert "has not passed its tests" in read("eve", f"/nodes/{only_tested.pk}/")
    Node.objects.update(passed=True)
    assert "takes jobs" in read("eve", f"/nodes/{only_tested.pk}/")


def test_a_job_for_no_node_is_never_sent(node):
    node.meta = COMPLETE
    (spec,) = jobs_of(NodeTest(node=node))
    with pytest.raises(JobRejected, match="no node"):
        job_json(type(spec)(**{**vars(spec), "nodes": ()}))
