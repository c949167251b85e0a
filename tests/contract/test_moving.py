"""What is blocked longer than its owner allows runs elsewhere, once: on two local agents, and on two real regions."""

import shutil
import tempfile
import time
from pathlib import Path

import pytest

from datacenters.clusters import POLICY
from datacenters.interface import JobNotFound, JobStatus
from datacenters.jobspec import JobKind, JobSpec, Resources, TaskSpec
from datacenters.models import Cluster, Datacenter
from datacenters.services import adapter_for, refresh
from jobs import elsewhere, reconciling, services, submission
from jobs.models import Deployment, Status
from tests.agents import nomad_binary, start_local_agent
from tests.fake_modules import make_module
from tests.federation import federation
from tests.unit.jobs.conftest import _own_data, ask, asset_of  # noqa: F401  fixtures

pytestmark = [pytest.mark.django_db, pytest.mark.slow, pytest.mark.timeout(300)]
FILLER = "serai-00000000-0000-4000-8000-0000000000f1"


@pytest.fixture(scope="module", params=["local", "nomad"])
def sites(request):
    """How to reach two clusters, each with one datacenter that counts."""
    folder = Path(tempfile.mkdtemp(prefix="serai-moving-"))
    folder.chmod(0o711)
    if request.param == "local":
        agents = [start_local_agent(folder / name) for name in ("first", "second")]
        yield [{"address": agent.address, "token": agent.token} for agent in agents], ("local", "local")
        for agent in agents:
            agent.stop_tasks_and_end()
    elif nomad_binary() is None:
        pytest.skip("no nomad on PATH: federated regions are left out")
    else:
        with federation(folder) as found:
            found.namespace("serai-ada")
            token = found.token("serai", POLICY)
            yield (
                [{"address": found.west, "token": token, "region": name} for name in ("west", "east")],
                (
                    "alps",
                    "docks",
                ),
            )
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def places(db, ada, sites) -> tuple[Datacenter, Datacenter]:
    ada.is_superuser = True  # an agent that is not started as root serves the first administrator
    ada.save()
    reached, names = sites
    for number, values in enumerate(reached):
        cluster = Cluster.objects.create(name=f"c{number}", local=True, **values)
        assert refresh(cluster), Cluster.objects.get(pk=cluster.pk).problem
        Datacenter.objects.filter(cluster=cluster).exclude(nomad_name=names[number]).delete()
    Datacenter.objects.update(one_person=False, offers_packages=True)
    return tuple(Datacenter.objects.get(cluster__name=name) for name in ("c0", "c1"))


def fill(place: Datacenter, namespace: str):
    """A job that leaves nearly no memory there."""
    adapter = adapter_for(place.cluster)
    free = [node.memory_mb - node.used_memory_mb for node in adapter.nodes() if node.datacenter == place.nomad_name]
    task = TaskSpec("main", command="/bin/sleep", args=("300",), resources=Resources(0.1, free[0] - 100))
    spec = JobSpec(FILLER, namespace, JobKind.BATCH, (place.nomad_name,), (task,), disk_mb=100)
    adapter.ensure_namespace(namespace)
    adapter.submit(spec, {})
    until(lambda: adapter.state(FILLER, namespace).status is JobStatus.RUNNING)
    return adapter


def until(condition, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def work(deployment: Deployment) -> str:
    """One round of the worker and of reconcile; its status then."""
    for pk in list(Deployment.objects.due().values_list("pk", flat=True)):
        submission.submit(pk)
    for pk in list(Deployment.objects.to_withdraw().values_list("pk", flat=True)):
        submission.withdraw(pk)
    reconciling.reconcile()
    deployment.refresh_from_db()
    return deployment.status


def test_it_runs_elsewhere_once_and_leaves_nothing_behind(places, ada, ask, tmp_path):  # noqa: F811
    first, second = places
    asset_of("tiny", str(make_module(tmp_path / "tiny")))
    asked = ask("tiny", prefer=(first.name,), max_wait_seconds=2)
    namespace = f"serai-{asked.project}"
    filled = fill(first, namespace)
    Datacenter.objects.filter(pk=second.pk).update(enabled=False)  # so that it has to wait at the first one
    deployment = services.deploy(asked, owner=ada)
    until(lambda: work(deployment) == Status.PENDING)
    Datacenter.objects.filter(pk=second.pk).update(enabled=True)
    time.sleep(2)
    submission.give_up_waiting(elsewhere.timezone.now())
    until(lambda: work(deployment) in (Status.STARTING, Status.RUNNING), 90)
    assert deployment.datacenter == second
    assert list(
        deployment.events.filter(verb__in=(elsewhere.LEFT, elsewhere.MOVED)).values_list("verb", flat=True)
    ) == [
        elsewhere.LEFT,
        elsewhere.MOVED,
    ]
    there = adapter_for(second.cluster)
    assert there.state(deployment.job_id, namespace).status in (JobStatus.STARTING, JobStatus.RUNNING)
    with pytest.raises(JobNotFound):
        filled.state(deployment.job_id, namespace)
    there.purge(deployment.job_id, namespace)
    filled.purge(FILLER, namespace)


def test_what_the_scheduler_would_not_start_goes_where_it_starts_at_once(places, ada, ask, tmp_path):  # noqa: F811
    """Serai's own figures still say that there is room, when somebody else's job has just taken it."""
    first, second = places
    asset_of("tiny", str(make_module(tmp_path / "tiny")))
    asked = ask("tiny", prefer=(first.name,))
    namespace = f"serai-{asked.project}"
    deployment = services.deploy(asked, owner=ada)
    assert deployment.datacenter == first
    filled = fill(first, namespace)
    work(deployment)
    event = deployment.events.get(verb=elsewhere.MOVED)
    assert "MB of memory" in event.sentence
    assert deployment.datacenter == second
    until(lambda: work(deployment) in (Status.STARTING, Status.RUNNING), 90)
    with pytest.raises(JobNotFound):
        filled.state(deployment.job_id, namespace)
    adapter_for(second.cluster).purge(deployment.job_id, namespace)
    filled.purge(FILLER, namespace)
