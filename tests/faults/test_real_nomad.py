"""A real Nomad of several processes is hurt in each way it can be: what people read then, and that nothing is doubled.

The watcher's own threads run over it with a token of Serai's own policy; sending is done by hand.
"""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils.html import escape

from accounts.models import ApiToken, User
from datacenters.models import Cluster, Datacenter
from datacenters.services import adapter_for, refresh
from jobs import services, submission
from jobs.models import Deployment, DeploymentKind, Status
from jobs.watching import cluster as watching
from jobs.watching.cluster import ClusterWatch
from jobs.watching.loops import Loop
from jobs.watching.probes import Prober
from tests.agents import nomad_binary
from tests.fake_modules import ANSWERS, make_module
from tests.nomads import DATACENTER, REGION, Nomads, nomads
from tests.unit.jobs.conftest import _own_data, ask, asset_of

from .conftest import verbs
from .site import story

__all__ = ["_own_data", "ask"]
pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True), pytest.mark.timeout(240)]

COUNTS = ANSWERS.replace("import http.server", "print('begun', flush=True)\nimport http.server", 1)
TRAINS = """
import json, sys, time
print("begun", flush=True)
time.sleep(6)
with open(sys.argv[1].removeprefix("--deepaas_method_output="), "w") as file:
    json.dump({"status": "done", "result": {"output": {}}}, file)
"""
NEEDS_MORE = "\nimport time\nx = bytearray(900 * 2**20)\ntime.sleep(60)\n"


@pytest.fixture(scope="module")
def garden() -> Iterator[Nomads]:
    if nomad_binary() is None:
        pytest.skip("no nomad on PATH: a real one is not hurt")
    folder = Path(tempfile.mkdtemp(prefix="serai-nomads-"))
    folder.chmod(0o711)
    with nomads(folder) as found:
        yield found
    shutil.rmtree(folder, ignore_errors=True)


@dataclass
class There:
    """Ada's deployments on it, as the watcher sees them."""

    garden: Nomads
    cluster: Cluster
    ada: User
    ask: Callable[..., Any]
    folder: Path
    browser: Client
    script: dict[str, str]
    loops: list[Loop] = field(default_factory=list)

    def deploy(self, slug: str = "", *, kind: str = "service", memory_mb: int = 150, **behaviour: Any) -> Deployment:
        if not slug:
            slug = f"module-{len(list(self.folder.parent.glob('modules/*')))}"
            package = make_module(self.folder / slug, **({"serve": COUNTS} | behaviour))
            asset_of(slug, f"file://{package}")
        request = self.ask(slug, kind=DeploymentKind(kind), memory_mb=memory_mb, cpu_cores=0.1, disk_mb=150)
        return services.deploy(request, owner=self.ada)

    def until(self, deployment: Deployment, condition: Any, seconds: float = 60) -> Deployment:
        fulfilled = condition if callable(condition) else lambda row: row.status == condition
        deadline = time.monotonic() + seconds
        while True:
            self.send()
            deployment.refresh_from_db()
            if fulfilled(deployment):
                return deployment
            assert time.monotonic() < deadline, story(deployment)
            time.sleep(0.1)

    def send(self) -> None:
        for pk in list(Deployment.objects.due().values_list("pk", flat=True)):
            submission.submit(pk)
        for pk in list(Deployment.objects.to_withdraw().values_list("pk", flat=True)):
            submission.withdraw(pk)

    def says(self, deployment: Deployment, status: Status, reason: str) -> None:
        """Page and REST tell this at the moment, and the same."""
        told = self.browser.get(f"/api/v1/deployments/{deployment.pk}", headers=self.script).json()
        assert (told["status"], told["reason"] or "") == (status, reason), story(deployment)
        assert escape(reason) in self.browser.get(f"/deployments/{deployment.pk}/").content.decode()

    def begun(self, deployment: Deployment) -> int:
        """How often its program began, in all its allocations."""
        found = self.garden.ask("GET", f"job/{deployment.job_id}/allocations", namespace=deployment.namespace)
        adapter = adapter_for(self.cluster)
        return sum(adapter.log(one["ID"], deployment.namespace, "main", "stdout").count(b"begun") for one in found)


@pytest.fixture
def there(garden, ada, ask, tmp_path, client, settings, monkeypatch) -> Iterator[There]:
    monkeypatch.setattr(watching, "OUT_OF_REACH_SECONDS", 1.5)
    monkeypatch.setattr(watching, "NODES_SECONDS", 1.0)
    monkeypatch.setattr("datacenters.nomad.client.ASK_SECONDS", 2)
    settings.NOMAD_TIMEOUT = 3
    garden.heal()
    if (name := Deployment(project=ada.personal_project).namespace) not in garden.namespaces():
        garden.namespace(name)
    cluster = row(garden)
    assert refresh(cluster), Cluster.objects.get().problem
    client.force_login(ada)
    script = {"Authorization": f"Bearer {ApiToken.issue(ada, 'test')[1]}"}
    here = There(garden, cluster, ada, ask, tmp_path / "modules", client, script)
    here.loops = [*ClusterWatch(cluster).loops, Loop("probes", Prober().turn, 0.3)]
    for loop in here.loops:
        loop.start()
    yield here
    garden.heal()
    for loop in here.loops:
        loop.end()
    for loop in here.loops:
        loop.join(30)
    connection.close()


def row(garden: Nomads, **changes: Any) -> Cluster:
    values = {"address": garden.address, "region": REGION, "token": garden.token()["SecretID"]}
    return Cluster.objects.create(name=REGION, trusted_for_tests=True, **values | changes)


def on(garden: Nomads, deployment: Deployment) -> str:
    """The name of the client that runs it."""
    found = garden.ask("GET", f"job/{deployment.job_id}/allocations", namespace=deployment.namespace)
    return str(max(found, key=lambda one: one["CreateIndex"])["NodeName"])


# ── Clients ──────────────────────────────────────────────────────────────────────────────────────
def test_a_client_that_is_killed_and_comes_back_soon_is_not_even_noticed(there):
    service = there.until(there.deploy(), Status.RUNNING)
    life, name = service.allocation_id, on(there.garden, service)
    there.garden.parts[name].kill()
    there.garden.parts[name].start()
    there.garden.wait_until_ready()
    time.sleep(2)
    service.refresh_from_db()
    there.says(service, Status.RUNNING, "")
    assert (service.allocation_id, there.begun(service)) == (life, 1)
    assert "was lost from sight" not in verbs(service)


def test_a_client_that_is_lost_makes_unknown_and_never_a_second_run(there):
    service = there.until(there.deploy(), Status.RUNNING)
    name = on(there.garden, service)
    there.garden.eligible({"one": "two", "two": "one"}[name], yes=False)
    training = there.until(there.deploy(kind="batch", train=TRAINS), Status.RUNNING)
    there.garden.eligible({"one": "two", "two": "one"}[name], yes=True)
    assert on(there.garden, training) == name
    there.garden.parts[name].kill()
    reason = f"Node {name} is out of reach; what runs there goes on, but cannot be seen."
    for deployment in (service, training):
        there.until(deployment, Status.UNKNOWN)
        there.says(deployment, Status.UNKNOWN, reason)
    time.sleep(6)  # the training ends meanwhile, seen by nobody
    there.garden.parts[name].start()
    there.until(service, Status.RUNNING)
    there.until(training, Status.COMPLETED)
    there.says(service, Status.RUNNING, "")
    assert (there.begun(service), there.begun(training)) == (1, 1)
    assert "was seen again" in verbs(service)
    assert "failed" not in verbs(training)


def test_a_client_that_is_lost_and_stays_away_lets_its_owner_start_elsewhere(there):
    service = there.until(there.deploy(), Status.RUNNING)
    name = on(there.garden, service)
    there.garden.parts[name].kill()
    there.until(service, Status.UNKNOWN)
    services.stop(service, there.ada)
    there.until(service, lambda row: "is stopped there as soon as it is back" in row.reason)
    another = there.until(there.deploy(service.asset_slug), Status.RUNNING)
    assert on(there.garden, another) != name
    there.garden.parts[name].start()
    there.until(service, Status.STOPPED)


def test_a_drained_client_hands_its_service_to_another_one_and_both_moments_are_told(there):
    service = there.until(there.deploy(), Status.RUNNING)
    life, name = service.allocation_id, on(there.garden, service)
    there.garden.drain(name)
    there.until(service, lambda row: row.allocation_id != life)
    there.until(service, Status.RUNNING)
    there.says(service, Status.RUNNING, "")
    assert on(there.garden, service) != name
    live = there.garden.ask("GET", f"job/{service.job_id}/allocations", namespace=service.namespace)
    assert [one["ClientStatus"] for one in live].count("running") == 1
    there.until(service, lambda row: "failed" not in verbs(row))
    place = Datacenter.objects.get().nodes.get(name=name)
    assert not place.ready


def test_a_service_whose_only_client_is_drained_waits_with_the_reason(there):
    service = there.until(there.deploy(), Status.RUNNING)
    name = on(there.garden, service)
    there.garden.eligible({"one": "two", "two": "one"}[name], yes=False)
    there.garden.drain(name)
    there.until(service, Status.PENDING)
    there.until(service, lambda row: row.reason)
    there.says(service, Status.PENDING, service.reason)
    assert "no" in service.reason.lower()
    there.garden.heal_nodes()
    there.until(service, Status.RUNNING)


# ── The server ───────────────────────────────────────────────────────────────────────────────────
def test_a_server_that_is_started_anew_at_once_is_not_noticed(there):
    service = there.until(there.deploy(), Status.RUNNING)
    there.garden.parts["server"].kill()
    there.garden.parts["server"].start()
    there.garden.wait_until_ready()
    time.sleep(2)
    there.until(service, Status.RUNNING)
    assert there.begun(service) == 1


def test_a_server_that_is_away_makes_unknown_and_what_is_asked_meanwhile_happens_once(there):
    service = there.until(there.deploy(), Status.RUNNING)
    to_stop = there.until(there.deploy(service.asset_slug), Status.RUNNING)
    life = service.allocation_id
    there.garden.parts["server"].kill()
    there.until(service, Status.UNKNOWN)
    there.says(service, Status.UNKNOWN, f"{DATACENTER} does not answer since {service.reason[-6:-1]}.")
    asked = there.deploy(service.asset_slug)
    services.stop(to_stop, there.ada)
    there.until(asked, lambda row: "so this has not been sent yet" in row.reason)
    there.until(to_stop, lambda row: "it is told to stop this as soon as it does" in row.reason)
    there.garden.parts["server"].start()
    there.until(service, Status.RUNNING)
    there.until(to_stop, Status.STOPPED, seconds=90)
    there.until(asked, Status.RUNNING, seconds=90)
    assert service.allocation_id == life
    assert [there.begun(one) for one in (service, asked)] == [1, 1]
    for deployment in (service, asked, to_stop):
        assert "failed" not in verbs(deployment)


# ── Tokens, namespaces, jobs ─────────────────────────────────────────────────────────────────────
def test_a_token_that_expires_is_said_and_a_new_one_heals_all(there):
    service = there.until(there.deploy(), Status.RUNNING)
    for loop in there.loops[:-1]:
        loop.end()
    brief = there.garden.token(lasts="2s")
    Cluster.objects.update(token=brief["SecretID"])
    there.cluster.refresh_from_db()
    watch = ClusterWatch(there.cluster)
    watch.start()
    there.loops += watch.loops
    there.until(service, Status.UNKNOWN)
    there.says(service, Status.UNKNOWN, f"{DATACENTER} refuses Serai's token since {service.reason[-6:-1]}.")
    asked = there.deploy(service.asset_slug)
    there.until(asked, lambda row: row.reason)
    assert asked.reason == (
        f"{DATACENTER} refuses Serai's token, so this has not been sent yet. It is tried again by itself."
    )
    assert brief["SecretID"] not in f"{service.evidence} {asked.evidence}"
    watch.end()
    Cluster.objects.update(token=there.garden.token()["SecretID"])
    there.cluster.refresh_from_db()
    again = ClusterWatch(there.cluster)
    again.start()
    there.loops += again.loops
    there.until(service, Status.RUNNING)
    there.until(asked, Status.RUNNING, seconds=90)
    assert [there.begun(one) for one in (service, asked)] == [1, 1]


def test_a_job_that_is_purged_behind_our_back_has_failed_and_says_so(there):
    service = there.until(there.deploy(), Status.RUNNING)
    there.garden.ask("DELETE", f"job/{service.job_id}", namespace=service.namespace, purge="true")
    there.until(service, lambda row: row.is_final)
    there.says(service, Status.FAILED, service.reason)
    assert "not from Serai" in service.reason
    services.start(service, there.ada)
    there.until(service, Status.RUNNING)


def test_a_namespace_that_is_deleted_under_us_is_named_and_goes_on_once_it_is_back(there):
    service = there.until(there.deploy(), Status.RUNNING)
    services.stop(service, there.ada)
    there.until(service, Status.STOPPED)
    there.garden.forget_namespace(service.namespace)
    asked = there.deploy(service.asset_slug)
    there.until(asked, lambda row: row.reason)
    there.says(
        asked,
        Status.QUEUED,
        f"This project has no place in {DATACENTER} yet, so this has not been sent. It is tried again.",
    )
    assert f"nomad namespace apply {asked.namespace}" in asked.advice
    there.garden.namespace(asked.namespace)
    there.until(asked, Status.RUNNING, seconds=90)
    assert there.begun(asked) == 1


# ── Places ───────────────────────────────────────────────────────────────────────────────────────
def test_a_job_without_room_waits_with_numbers_and_starts_when_there_is(there):
    large = [there.until(there.deploy(memory_mb=1_500), Status.RUNNING)]
    large.append(there.until(there.deploy(large[0].asset_slug, memory_mb=1_500), Status.RUNNING))
    waits = there.deploy(large[0].asset_slug, memory_mb=1_500)
    there.until(waits, lambda row: row.status == Status.PENDING and row.reason)
    there.says(waits, Status.PENDING, waits.reason)
    assert "memory" in waits.reason
    services.stop(large[1], there.ada)
    there.until(waits, Status.RUNNING)
    there.says(waits, Status.RUNNING, "")
    assert there.begun(waits) == 1
    assert {"waited", "placed", "became ready"} <= set(verbs(waits))


def test_a_program_that_needs_more_memory_than_it_asked_for_says_so(there):
    service = there.deploy(serve=NEEDS_MORE)
    there.until(service, lambda row: row.is_final)
    there.says(service, Status.FAILED, service.reason)
    assert "memory" in service.reason
    assert service.advice == "Start it again with more memory."
