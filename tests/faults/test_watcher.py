"""The watcher is killed and comes back, or hears nonsense: in the end the rows say what is so."""

import itertools
import time

import pytest

from datacenters.services import adapter_for
from jobs import archive, services
from jobs.models import Status
from tests.fake_modules import CRASHES

from .conftest import verbs
from .proxy import refuses, says, slow
from .site import wait_for

pytestmark = pytest.mark.slow


def test_a_watcher_that_was_killed_catches_up_with_all_that_happened(site, cluster, module, ask, ada):
    site.worker()
    watcher = site.watcher()
    good, bad = module("good"), module("bad", serve=CRASHES, slow=True)
    stops, crashes = services.deploy(ask(good), owner=ada), services.deploy(ask(bad), owner=ada)
    site.until(stops, Status.RUNNING)
    site.until(crashes, lambda row: row.stage == "packages")
    watcher.kill()

    services.stop(stops, ada)
    starts = services.deploy(ask(good), owner=ada)
    adapter = adapter_for(cluster)
    wait_for(lambda: adapter.state(crashes.job_id, crashes.namespace).status == "failed")
    crashes.refresh_from_db()
    assert crashes.status == Status.STARTING  # nobody has told yet

    site.watcher()
    site.until(crashes, Status.FAILED)
    site.until(stops, Status.STOPPED)
    site.until(starts, Status.RUNNING)
    assert crashes.reason == "The program ended with exit code 1: ModuleNotFoundError: No module named 'nosuchlib'."
    assert b"loading" in archive.read(crashes, "main", "stdout")
    assert b"model tiny" in archive.read(stops, "main", "stdout")
    for deployment in (stops, crashes, starts):
        assert verbs(deployment).count("submitted") == 1
        told = [verb for verb in verbs(deployment) if verb != "progressed"]
        assert len(told) == len(set(told))


def test_a_stream_of_nonsense_delays_and_fills_no_log(site, doubtful_cluster, proxy, module, ask, ada):
    odd = '{"Index": 9, "Events": [{"Topic": 5, "Payload": []}]}\n'
    nonsenses = itertools.cycle([says(200, "odd\n" * 50), says(200, odd), refuses, says(200, ""), slow(1)])

    def taking_turns(ask):
        return next(nonsenses)(ask)

    proxy.faults["GET /v1/event/stream"] = taking_turns
    site.worker()
    watcher = site.watcher()
    service = services.deploy(ask(module("good")), owner=ada)
    site.until(service, Status.RUNNING)
    services.stop(service, ada)
    site.until(service, Status.STOPPED)
    before = len(watcher.said().splitlines())
    time.sleep(2)
    assert len(watcher.said().splitlines()) - before < 20
    assert "Traceback" not in watcher.said()
    assert not watcher.has_ended
