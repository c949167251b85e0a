"""The local datacenter is killed with -9, goes for a while, or wants another token: what people see, and what runs."""

import time

import pytest
from django.test import Client

from datacenters.models import Cluster
from datacenters.services import adapter_for
from jobs import services
from jobs.models import Deployment, Status
from tests.fake_modules import ANSWERS

from .conftest import verbs
from .site import wait_for

pytestmark = pytest.mark.slow

# Says so when it begins, and takes its time to end.
SLOW_TO_END = ANSWERS.replace(
    "import http.server",
    "import signal, time\nprint('begun', flush=True)\n"
    "signal.signal(signal.SIGINT, lambda *_: (time.sleep(3), print('ended', flush=True), sys.exit()))\n"
    "import http.server",
    1,
)


@pytest.fixture
def running(site, cluster):
    site.worker()
    site.watcher()
    return site


def begun(deployment):
    adapter = adapter_for(deployment.datacenter.cluster)
    (job,) = adapter.states(deployment.job_id)
    return adapter.log(job.allocation_id, deployment.namespace, "main", "stdout").count(b"begun")


def test_an_agent_killed_while_a_job_starts_runs_and_stops_loses_nothing(running, agent, module, ask, ada):
    site = running
    service = services.deploy(ask(module("slow", serve=SLOW_TO_END, slow=True)), owner=ada)

    site.until(service, lambda row: row.stage == "packages")
    agent.kill()
    time.sleep(1)
    agent.start()
    site.until(service, Status.RUNNING)
    life = service.allocation_id

    agent.kill()
    agent.start()
    time.sleep(2)
    service.refresh_from_db()
    assert (service.status, service.allocation_id, service.reason) == (Status.RUNNING, life, "")

    services.stop(service, ada)
    wait_for(lambda: service.events.filter(verb="stop requested").exists() and stopping(agent))
    agent.kill()
    time.sleep(0.5)
    agent.start()
    site.until(service, Status.STOPPED)
    assert service.allocation_id == life
    assert service.reason == ""
    assert begun(service) == 1
    assert service.starts == 1


def stopping(agent):
    with agent.client() as client:
        return any(
            one["DesiredStatus"] == "stop" for one in client.get("allocations", params={"namespace": "*"}).json()
        )


def test_an_agent_that_is_gone_for_20_seconds_makes_nothing_fail(running, agent, module, ask, ada):
    site, web = running, running.web()
    slug = module("digits", serve=SLOW_TO_END)
    goes_on, to_stop = (services.deploy(ask(slug), owner=ada) for _ in range(2))
    for service in (goes_on, to_stop):
        site.until(service, Status.RUNNING)
    life = goes_on.allocation_id

    agent.kill()
    began = time.monotonic()
    with site.client_of(ada) as script:
        # Asked for meanwhile: taken, and told why nothing happens yet.
        answer = script.post("deployments", json={"module": slug, "resources": {"memory_mb": 150}})
        assert answer.status_code == 201
        asked = Deployment.objects.get(pk=answer.json()["id"])
        assert script.post(f"deployments/{to_stop.pk}/stop").status_code == 202
        site.until(asked, lambda row: "does not answer" in row.reason)
        assert asked.status in (Status.QUEUED, Status.SUBMITTING)
        site.until(to_stop, lambda row: "it is told to stop this as soon as it does" in row.reason)
        site.until(goes_on, Status.UNKNOWN)
        assert 14 < time.monotonic() - began < 35
        told = script.get(f"deployments/{goes_on.pk}").json()
    assert told["status"] == "unknown"
    assert told["reason"] == f"local does not answer since {goes_on.status_since:%H:%M}."
    assert (
        goes_on.advice == "What ran there goes on running, as far as anybody knows. It is shown again once it answers."
    )
    browser = Client()
    browser.force_login(ada)
    assert "does not answer since" in browser.get(f"/deployments/{goes_on.pk}/").content.decode()
    assert to_stop.status == Status.STOPPING
    assert web.said().count("Traceback") == 0

    agent.start()
    site.until(goes_on, Status.RUNNING)
    site.until(to_stop, Status.STOPPED)
    site.until(asked, Status.RUNNING, seconds=70)
    assert (goes_on.allocation_id, goes_on.reason, begun(goes_on)) == (life, "", 1)
    assert "was seen again" in verbs(goes_on)
    assert "failed" not in verbs(goes_on)


def test_a_token_that_the_agent_takes_no_longer_is_said_and_a_new_one_heals_it(running, agent, place, module, ask, ada):
    site = running
    slug = module("digits", serve=SLOW_TO_END)
    service = services.deploy(ask(slug), owner=ada)
    site.until(service, Status.RUNNING)
    agent.stop()
    (place / "agent" / "token").write_text("another-token-for-tests")
    object.__setattr__(agent, "token", "another-token-for-tests")
    agent.start()
    asked = services.deploy(ask(slug), owner=ada)
    site.until(asked, lambda row: row.reason)
    assert asked.reason == ("local refuses Serai's token, so this has not been sent yet. It is tried again by itself.")
    assert "new token" in asked.advice
    site.until(service, Status.UNKNOWN)
    assert service.reason == f"local refuses Serai's token since {service.status_since:%H:%M}."
    assert agent.token not in str(service.evidence)
    cluster = Cluster.objects.get()
    assert "Its administrator must check the token" in cluster.problem

    cluster.token = agent.token
    cluster.save()
    site.until(service, Status.RUNNING)
    site.until(asked, Status.RUNNING, seconds=70)
    assert begun(service) == 1
