"""A datacenter behind a proxy that refuses, cuts, hangs and lies: nothing fails by it, nothing runs twice."""

import json
import random
import re
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError
from django.utils import timezone

from datacenters.interface import DatacenterError
from datacenters.services import adapter_for, refresh
from jobs import archive, reconciling, services, submission
from jobs.models import Deployment, Status
from jobs.watching.usage import sample
from tests.fake_modules import ANSWERS
from tests.unit.jobs.conftest import World

from .conftest import verbs
from .proxy import Fault, changes, half, loses_the_answer, refuses, says, slow

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
COUNTS = ANSWERS.replace("import http.server", "print('begun', flush=True)\nimport http.server", 1)
TOO_MANY = "Your IP is issuing too many concurrent connections, please rate limit your calls\n"

FAULTS: dict[str, Fault] = {
    "too many calls": says(429, TOO_MANY),
    "no leader": says(500, "No cluster leader"),
    "rpc error": says(500, "rpc error: failed to get conn: dial tcp 10.0.0.1:4647: i/o timeout"),
    "bad gateway": says(502, "<html>502 Bad Gateway</html>", "text/html"),
    "a page of somebody else": says(200, "<html>Sign in to the campus network</html>", "text/html"),
    "half an answer": half,
    "nothing": says(200, ""),
    "null": says(200, "null"),
    "an empty list": says(200, "[]"),
    "an empty object": says(200, "{}"),
    "hangs up": refuses,
    "hangs": slow(2.5),
}


@pytest.fixture
def doubtful(doubtful_cluster, proxy, ada, ask, place, settings):
    """What the worker and the watcher do, with the proxy between them and the agent."""
    settings.NOMAD_TIMEOUT = 1
    settings.SERAI_DATA = place
    adapter_for.__globals__["_adapter"].cache_clear()
    here = World(doubtful_cluster, ada, ask, place / "modules")
    yield here
    proxy.faults.clear()
    here.clear()


def lives(world, deployment):
    """How often its program has begun; there is one job of it."""
    (job,) = world.adapter.states(deployment.job_id)
    return world.adapter.log(job.allocation_id, deployment.namespace, "main", "stdout").count(b"begun")


def due_now():
    Deployment.objects.update(not_before=None)
    Deployment.objects.exclude(claimed_until=None).update(claimed_until=timezone.now() - timedelta(seconds=1))


def test_a_job_that_cannot_be_sent_waits_with_a_reason_and_is_sent_once(doubtful, proxy):
    service = doubtful.deploy(serve=COUNTS)
    for name, fault in FAULTS.items():
        proxy.everywhere(fault)
        began = time.monotonic()
        submission.submit(service.pk)
        assert time.monotonic() - began < 10, name
        service.refresh_from_db()
        assert service.status == Status.QUEUED, name
        assert service.reason == "local does not answer, so this has not been sent yet. It is tried again by itself."
        assert service.advice == "Wait, or stop it and choose another datacenter."
        assert service.evidence["error"].startswith("The "), name
        due_now()
    proxy.faults.clear()
    doubtful.until(service, Status.RUNNING)
    assert lives(doubtful, service) == 1
    assert verbs(service).count("put back") == 1


def test_what_runs_goes_on_running_whatever_the_datacenter_says(doubtful, proxy, ada):
    service = doubtful.until(doubtful.deploy(serve=COUNTS), Status.RUNNING)
    Deployment.objects.update(submitted=timezone.now() - timedelta(minutes=5))
    for name, fault in FAULTS.items():
        proxy.everywhere(fault)
        reconciling.reconcile()
        refresh(doubtful.cluster)
        service.refresh_from_db()
        assert (service.status, service.healthy) == (Status.RUNNING, True), name
    services.stop(service, ada)
    for name, fault in FAULTS.items():
        proxy.everywhere(fault)
        submission.withdraw(service.pk)
        service.refresh_from_db()
        assert service.status == Status.STOPPING, name
        due_now()
    proxy.faults.clear()
    doubtful.until(service, Status.STOPPED)
    assert service.reason == ""


def test_a_datacenter_that_lost_its_memory_takes_jobs_again(doubtful, agent, place, ada):
    former = doubtful.until(doubtful.deploy(), Status.RUNNING)
    services.stop(former, ada)
    doubtful.until(former, Status.STOPPED)
    agent.kill()
    shutil.rmtree(place / "agent" / "data")
    agent.start()
    doubtful.until(doubtful.deploy(), Status.RUNNING)
    services.start(former, ada)
    doubtful.until(former, Status.RUNNING)


def test_an_answer_that_was_lost_on_its_way_back_sends_nothing_twice(doubtful, proxy):
    service = doubtful.deploy(serve=COUNTS)
    proxy.faults["POST /v1/jobs"] = loses_the_answer
    for _try in range(3):
        submission.submit(service.pk)
        due_now()
    service.refresh_from_db()
    assert service.status == Status.QUEUED
    proxy.faults.clear()
    doubtful.until(service, Status.RUNNING)
    assert lives(doubtful, service) == 1
    assert verbs(service).count("submitted") <= 1


def test_a_list_that_leaves_a_job_out_is_not_believed(doubtful, proxy):
    service = doubtful.until(doubtful.deploy(), Status.RUNNING)
    Deployment.objects.update(submitted=timezone.now() - timedelta(minutes=5))
    proxy.faults["GET /v1/jobs"] = says(200, "[]", "application/json")
    reconciling.reconcile()
    service.refresh_from_db()
    assert service.status == Status.RUNNING


def test_a_slow_datacenter_is_only_slow(doubtful, proxy):
    proxy.everywhere(slow(0.5))
    assert doubtful.until(doubtful.deploy(), Status.RUNNING, seconds=90).healthy


@pytest.mark.parametrize("minutes", [-180, -5, 5, 180])
def test_a_clock_that_is_wrong_changes_nothing_but_times(doubtful, proxy, minutes, ada):
    proxy.everywhere(changes(lambda body: shifted(body, minutes)))
    service = doubtful.until(doubtful.deploy(serve=COUNTS), Status.RUNNING)
    services.stop(service, ada)
    doubtful.until(service, Status.STOPPED)
    services.start(service, ada)
    doubtful.until(service, Status.RUNNING)
    services.stop(service, ada)
    doubtful.until(service, Status.STOPPED)
    events = list(service.events.values_list("at", flat=True))
    assert events == sorted(events)
    assert abs(timezone.now() - service.started) < timedelta(minutes=5)
    assert archive.read(service, "main", "stdout").count(b"begun") == 2


def shifted(body: bytes, minutes: int) -> bytes:
    """All times of an answer, as a clock that goes wrong would give them."""
    body = re.sub(rb"\b1\d{18}\b", lambda found: b"%d" % (int(found[0]) + minutes * 60 * 10**9), body)

    def told(found: re.Match[bytes]) -> bytes:
        hour, minute = divmod((int(found[1]) * 60 + int(found[2]) + minutes) % 1_440, 60)
        return b"%02d:%02d" % (hour, minute)

    return re.sub(rb"(?<=T)(\d\d):(\d\d)(?=:\d\d)", told, body)


# ── Lies ─────────────────────────────────────────────────────────────────────────────────────────
ODD = (
    None,
    True,
    -1,
    10**40,
    1.5,
    "",
    "odd",
    "\0",
    "\ud800",
    "x" * 5_000,
    [],
    [None],
    {},
    {"a": 1},
    "0001-01-01T00:00:00Z",
)


def liar(seed: int) -> Callable[[bytes], bytes]:
    """Replaces or drops some values of a JSON answer, wherever they are."""
    chance = random.Random(seed)

    def lie(body: bytes) -> bytes:
        try:
            return json.dumps(_bent(json.loads(body), chance)).encode()
        except ValueError:
            return body

    return lie


def _bent(value: Any, chance: random.Random) -> Any:
    if chance.random() < 0.01:
        return chance.choice(ODD)
    if isinstance(value, dict):
        return {name: _bent(item, chance) for name, item in value.items() if chance.random() > 0.005}
    if isinstance(value, list):
        return [_bent(item, chance) for item in value]
    return value


def test_no_lie_breaks_a_loop_of_the_watcher(doubtful, proxy):
    service = doubtful.until(doubtful.deploy(), Status.RUNNING)
    waiting = doubtful.again(service.asset_slug)
    Deployment.objects.filter(pk=waiting.pk).update(status=Status.PENDING, submitted=timezone.now())
    adapter = doubtful.adapter
    (state,) = adapter.states(service.job_id)
    for seed in range(25):
        proxy.everywhere(changes(liar(seed)))
        for look in (
            lambda: reconciling.reconcile_cluster(doubtful.cluster),
            lambda: refresh(doubtful.cluster),
            lambda: adapter.state(service.job_id, service.namespace),
            lambda: sample(adapter, {service.pk: state}),
            lambda: archive.keep(adapter, service.pk, state),
            adapter.check,
        ):
            # What a loop outlives; anything else would end it, and fails here with its own words.
            with suppress(DatacenterError, DatabaseError):
                look()
    proxy.faults.clear()
