"""Fifty clusters, of which five are dead, three hang and two are slow: the others and the pages do not notice."""

import threading
import time
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import create_person
from datacenters.models import Cluster
from jobs.watching import watcher as watching
from tests.agents import free_port
from tests.light_clusters import HANGS, SLOW, Lights, light_clusters

from .site import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True), pytest.mark.timeout(240)]
GOOD, HANGING, SLOWS, DEAD = range(40), range(40, 43), range(43, 45), range(45, 50)
BACK_WITHIN = 15  # seconds


@pytest.fixture
def lights(settings, tmp_path):
    settings.SERAI_DATA = tmp_path
    settings.SERAI_LOCAL_URL = ""
    settings.NOMAD_TIMEOUT = 10
    with light_clusters(45) as lights:
        for number in HANGING:
            lights.clusters[number].behaviour = HANGS
        for number in SLOWS:
            lights.clusters[number].behaviour = SLOW
        addresses = [cluster.address for cluster in lights.clusters]
        addresses += [f"http://127.0.0.1:{free_port()}" for _ in DEAD]
        Cluster.objects.bulk_create(
            Cluster(name=f"garden-{number}", address=address) for number, address in enumerate(addresses)
        )
        yield lights


@pytest.fixture
def watched(lights) -> Lights:
    watcher = watching.Watcher()
    thread = threading.Thread(target=watcher.run, daemon=True)
    thread.start()
    yield lights
    for loop in watcher.loops:
        loop.end()
    watcher.ending.set()
    for cluster in lights.clusters:
        lights.close(cluster)
    for waiting in (thread, *watcher.loops):
        waiting.join(30)
    connection.close()


def named(numbers):
    return Cluster.objects.filter(name__in=[f"garden-{number}" for number in numbers])


def test_bad_clusters_delay_no_good_one_and_are_found_again_soon(watched):
    began = time.monotonic()
    wait_for(lambda: named(GOOD).exclude(reached=None).count() == len(GOOD), 60)
    assert time.monotonic() - began < 45
    wait_for(lambda: named([*HANGING, *DEAD]).exclude(unreachable_since=None).count() == 8, 60)
    assert not named(GOOD).exclude(unreachable_since=None).exists()
    # Each is looked at every 15 s, whatever the others do.
    time.sleep(16)
    late = timezone.now() - timedelta(seconds=25)
    assert not named(GOOD).filter(reached__lt=late).exists()

    hung, gone = (watched.clusters[number] for number in (HANGING[0], GOOD[0]))
    hung.behaviour = "well"
    watched.close(hung)  # what it had been asked is never answered
    watched.open(hung)
    back = time.monotonic()
    wait_for(lambda: named([hung.number]).filter(unreachable_since=None).exclude(reached=None).exists(), 30)
    assert time.monotonic() - back < BACK_WITHIN
    watched.close(gone)
    wait_for(lambda: named([gone.number]).exclude(unreachable_since=None).exists(), 60)
    watched.open(gone)
    back = time.monotonic()
    wait_for(lambda: named([gone.number]).filter(unreachable_since=None).exists(), 30)
    assert time.monotonic() - back < BACK_WITHIN


def test_lists_and_status_pages_ask_no_cluster(lights, client, bearer):
    olga = create_person("olga", is_staff=True)
    client.force_login(olga)
    headers = bearer(olga)
    for path in ("datacenters/", "clusters/", "deployments/", "", "modules/", "clusters/garden-41/"):
        assert client.get(f"/{path}").status_code == 200, path
    for route in ("datacenters", "clusters", "clusters/garden-41", "deployments", "nodes", "me"):
        assert client.get(f"/api/v1/{route}", headers=headers).status_code == 200, route
    assert lights.asked() == 0
