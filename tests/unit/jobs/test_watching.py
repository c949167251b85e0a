"""The watcher's own threads over a local datacenter that is really killed and comes back."""

import shutil
import tempfile
import time
from pathlib import Path

import pytest
from django.db import connection

from datacenters.models import Cluster
from datacenters.services import refresh
from jobs import archive, services, submission
from jobs.models import Status, UsageSample
from jobs.watching import cluster as watching
from jobs.watching import loops
from jobs.watching.cluster import ClusterWatch
from jobs.watching.loops import Loop
from jobs.watching.probes import Prober
from jobs.watching.watcher import Broken, Watcher
from tests.agents import start_local_agent
from tests.fake_modules import ANSWERS, make_module

from .conftest import asset_of

pytestmark = pytest.mark.django_db(transaction=True)

TALKS = ANSWERS.replace(
    "http.server.HTTPServer",
    "import threading, time\ndef talk():\n"
    "    for number in range(10**6):\n        print('tick', number, flush=True)\n        time.sleep(0.1)\n"
    "threading.Thread(target=talk, daemon=True).start()\nhttp.server.HTTPServer",
    1,
)


@pytest.fixture
def agent():
    """An agent of this test's own, to be killed."""
    folder = Path(tempfile.mkdtemp(prefix="serai-agent-"))
    folder.chmod(0o711)
    agent = start_local_agent(folder)
    yield agent
    agent.stop_tasks_and_end()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def watched(agent, ada, ask, tmp_path, monkeypatch):
    monkeypatch.setattr(watching, "OUT_OF_REACH_SECONDS", 1.0)
    monkeypatch.setattr(watching, "USAGE_SECONDS", 1.0)
    monkeypatch.setattr(watching, "BACK_OFF_SECONDS", (0.2,))
    cluster = Cluster.objects.create(name="local", address=agent.address, token=agent.token, local=True)
    assert refresh(cluster)
    watch = ClusterWatch(cluster)
    watch.start()
    probes = Loop("probes", Prober().turn, 0.3)
    probes.start()
    asset_of("talks", str(make_module(tmp_path / "talks", serve=TALKS, slow=True)))
    yield services.deploy(ask("talks"), owner=ada)
    agent.stop_tasks_and_end()
    watch.end()
    probes.end()
    for loop in (*watch.loops, probes):
        loop.join(20)
    connection.close()


def wait_until(deployment, condition, seconds=40):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        deployment.refresh_from_db()
        if condition(deployment):
            return deployment
        time.sleep(0.05)
    history = [(event.verb, event.sentence) for event in deployment.events.all()]
    raise AssertionError(f"{deployment.status}: {deployment.reason}\n{history}")


def ticks(deployment):
    return [
        int(line.split()[1])
        for line in archive.read(deployment, "main", "stdout").decode().splitlines()
        if "tick" in line
    ]


def test_a_service_is_seen_from_its_start_through_a_killed_agent_to_its_end(watched, agent, ada):
    service = watched
    submission.submit(service.pk)
    wait_until(service, lambda row: row.status == Status.RUNNING and row.healthy)
    assert service.events.filter(verb="progressed").exists()

    archive.watch(service.pk)
    began = time.monotonic()
    wait_until(service, lambda row: len(ticks(row)) > 20)
    wait_until(service, lambda row: UsageSample.objects.filter(deployment=row, memory_bytes__gt=0).exists())
    assert time.monotonic() - began < 15

    life = service.allocation_id
    agent.kill()
    wait_until(service, lambda row: row.status == Status.UNKNOWN)
    assert "does not answer since" in service.reason
    assert Cluster.objects.get().unreachable_since

    agent.start()
    wait_until(service, lambda row: row.status == Status.RUNNING)
    assert (service.allocation_id, service.starts, service.reason) == (life, 1, "")
    assert "was seen again" in service.events.values_list("verb", flat=True)

    services.stop(service, ada)
    submission.withdraw(service.pk)
    wait_until(service, lambda row: row.status == Status.STOPPED)
    wait_until(service, lambda row: ticks(row) == list(range(len(ticks(row)))))


def test_a_job_lost_with_its_agents_memory_is_told_as_it_is(watched, agent):
    service = watched
    submission.submit(service.pk)
    wait_until(service, lambda row: row.status == Status.RUNNING)
    adapter = watching.adapter_for(Cluster.objects.get())
    adapter.purge(service.job_id, service.namespace)
    wait_until(service, lambda row: row.status in (Status.FAILED, Status.STOPPED))
    assert "not from Serai" in service.reason


def test_a_loop_outlives_a_full_disk_and_tells_of_a_fault_of_ours(monkeypatch):
    monkeypatch.setattr(loops, "AFTER_TROUBLE_SECONDS", 0.01)
    turns = []

    def turn() -> None:
        turns.append(len(turns))
        if len(turns) < 3:
            raise OSError(28, "No space left on device")
        loop.end()

    loop = Loop("logs", turn, 0.01)
    loop.start()
    loop.join(5)
    assert len(turns) == 3
    assert not loop.broken


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_watcher_with_a_broken_part_ends_so_that_it_is_started_anew(monkeypatch):
    def fault() -> None:
        raise KeyError("a fault of ours")

    watcher = Watcher()
    monkeypatch.setattr("jobs.watching.watcher.LOOK_SECONDS", 0.05)
    monkeypatch.setattr(watcher, "_common", (Loop("probes", fault, 0.01),))
    with pytest.raises(Broken, match="probes"):
        watcher.run()
