"""The broker is only a doorbell: without it people are answered at once, and the rows find their way."""

import shutil
import time

import psutil
import pytest

from jobs.models import Deployment, Status
from tests import services

from .conftest import fill, mounted, verbs

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("cluster")]
AT_ONCE = 6  # seconds, on a machine with much else to do


@pytest.fixture
def deploy(module, ada):
    module("digits")

    def post(site):
        began = time.monotonic()
        answer = site.client_of(ada).post("deployments", json={"module": "digits", "resources": {"memory_mb": 150}})
        assert answer.status_code == 201, answer.text
        assert time.monotonic() - began < AT_ONCE
        return Deployment.objects.get(pk=answer.json()["id"])

    return post


def test_a_broker_folder_that_was_deleted_delays_and_loses_nothing(site, deploy):
    worker, _web = site.worker(), site.web()
    shutil.rmtree(site.data / "broker")
    deployment = deploy(site)
    site.until(deployment, Status.PENDING)
    assert verbs(deployment) == ["queued", "submitted"]
    assert not worker.has_ended


def test_a_broken_message_ends_no_worker(site, deploy):
    worker, _web = site.worker(), site.web()
    for name, content in (("1_a", b""), ("2_b", b"{"), ("3_c", b"\xff"), ("4_d", b'{"body": 1}')):
        (site.data / "broker" / f"{name}.celery.msg").write_bytes(content)
    site.until(deploy(site), Status.PENDING)
    assert not worker.has_ended


def test_a_full_disk_under_the_broker_delays_and_loses_nothing(site, deploy):
    (site.data / "broker").mkdir(mode=0o700)
    with mounted(site.data / "broker", megabytes=1):
        worker, _web = site.worker(), site.web()
        filler = site.data / "broker" / "filler"
        fill(filler)
        deployment = deploy(site)
        time.sleep(6)  # longer than a sweep's turn
        filler.unlink()
        site.until(deployment, Status.PENDING)
        assert verbs(deployment) == ["queued", "submitted"]
        assert not worker.has_ended
        site.end()


def test_a_redis_that_hangs_or_is_gone_makes_nobody_wait(site, deploy):
    with services.redis() as url:
        site.broker = url
        _worker, _web = site.worker(), site.web()
        site.until(deploy(site), Status.PENDING)
        port = int(url.rpartition(":")[2].partition("/")[0])
        redis = next(
            psutil.Process(connection.pid)
            for connection in psutil.net_connections("tcp4")
            if connection.status == "LISTEN" and connection.laddr.port == port
        )
        redis.suspend()
        try:
            hung = deploy(site)
        finally:
            redis.resume()
        site.until(hung, Status.PENDING)
        redis.kill()
        gone = deploy(site)
        time.sleep(1)
        gone.refresh_from_db()
        assert gone.status == Status.QUEUED
        site.end()
