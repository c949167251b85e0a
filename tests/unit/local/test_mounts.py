"""What jobs mounted is taken away when they run no more, and never deleted through."""

import os
import subprocess

import pytest

from datacenters.local import node
from datacenters.local.mounts import detach_all_but, forget, mounted_below
from tests.contract.cluster import job, over, shell

from .conftest import root_only

pytestmark = root_only


@pytest.fixture
def mount(place):
    """Mounts a small file system over ``<mounts>/<job>/<target>``."""

    def mount(name, target="photos"):
        point = place / "tasks" / "mounts" / name / target
        point.mkdir(parents=True)
        done = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(point)], capture_output=True, check=False)
        if done.returncode:
            pytest.skip("mounting is not allowed here")
        return point

    yield mount
    detach_all_but(place / "tasks" / "mounts", set())


def test_mounts_of_jobs_that_run_stay(place, mount):
    root = place / "tasks" / "mounts"
    stray, wanted = mount("gone"), mount("running", "odd name\\")
    assert detach_all_but(root, {"running"}) == [stray]
    assert list(mounted_below(root)) == [wanted]


def test_forgetting_a_job_deletes_nothing_through_a_mount(place, mount):
    root, point = place / "tasks" / "mounts", mount("job")
    (point / "precious").write_text("x")
    (root / ".state" / "job").mkdir(parents=True)
    assert forget(root, "job") == [str(point)]
    assert (point / "precious").exists()
    assert not (root / ".state" / "job").exists()


def test_an_agent_that_comes_back_takes_away_what_no_job_needs(start, mount):
    stray = mount("serai-gone")
    start()
    assert not os.path.ismount(stray)


def test_a_mount_of_a_job_goes_with_its_end(own_agent, own_cluster, mount, job_id):
    own_cluster.register(job(job_id, shell("sleep 1")))
    own_cluster.running(job_id)
    point = mount(job_id)
    own_cluster.allocation(job_id, over)
    own_cluster.stop(job_id, purge=True)
    assert_gone(point.parent)


@pytest.fixture
def job_id():
    return "serai-mounting"


def assert_gone(folder):
    subprocess.run(["timeout", "20", "sh", "-c", f"while [ -e {folder} ]; do sleep 0.1; done"], check=True)


def test_a_node_offers_mounts_only_where_they_are_allowed(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not node.may_mount()
